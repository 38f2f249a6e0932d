// Questions about quantized tensors: which grid a float tensor lies on, and which it goes to.
// Passes and lowering read INT8 off the network by them.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "octile/network.h"

namespace octile {

/// A tensor that exists in 8 bits: the input of a static per-tensor Dequantize, or the output of
/// a static per-tensor Quantize.
struct Quantized {
  TensorId q;
  DataType type = DataType::kInt8;
  float scale = 1.0f;
  int32_t zero_point = 0, lo = -128, hi = 127;
  bool same_grid(const Quantized& other) const {
    return type == other.type && scale == other.scale && zero_point == other.zero_point;
  }
  /// True when its bytes are the other's as they are: the same grid, and nothing to clamp.
  bool fits_into(const Quantized& other) const {
    return same_grid(other) && lo >= other.lo && hi <= other.hi;
  }
  /// Of |q − zero point|.
  int32_t largest() const { return std::max(std::abs(lo - zero_point), std::abs(hi - zero_point)); }
  Quantize quantize() const;
  Dequantize dequantize() const;
};

/// The grid that a static per-tensor Dequantize reads `t` from, where its integers are known to lie
/// on it: those of a Quantize with the same parameters, or of an input of the network.
std::optional<Quantized> dequantized_from(const Network& network, TensorId t);

/// True when an input of the network is read by static per-tensor Dequantize layers with the same
/// parameters only: then the plan's tensor carries them.
bool input_has_grid(const Network& network, TensorId q);

/// The static per-tensor 8-bit Quantize that alone reads `t`: its step's producer may absorb it.
std::optional<Quantized> quantized_into(const Network& network, TensorId t);

/// The grid of a layer that is a static per-tensor 8-bit Quantize.
std::optional<Quantized> grid_made_by(const Network& network, LayerId layer);

}  // namespace octile
