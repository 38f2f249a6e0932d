// What lowering asks about the network around a tensor.
#include <algorithm>
#include <cmath>

#include "compile/lowerer.h"

namespace octile {
namespace {

constexpr int kMaxDepth = 32;

bool brings_channels_to_end(const Op& op, int rank) {
  const auto* shuffle = std::get_if<Shuffle>(&op);
  return shuffle != nullptr && shuffle->first == channels_to_end(rank) && shuffle->second.empty();
}

}  // namespace

LayerId Lowerer::dynamic_dequantize(TensorId t) const {
  const LayerId producer = network_.producer(t);
  if (!producer.valid()) return {};
  const auto* op = std::get_if<Dequantize>(&network_.op(producer));
  return op != nullptr && op->dynamic ? producer : LayerId{};
}

/// True when a convolution, pooling or deconvolution reads the tensor, perhaps through layers
/// that work in any layout.
bool Lowerer::wants_channels_last(TensorId t, int depth) const {
  const int rank = network_.shape(t).rank();
  if ((rank != 3 && rank != 4) || depth > kMaxDepth) return false;
  for (LayerId consumer : network_.consumers(t)) {
    const Op& op = network_.op(consumer);
    if (std::holds_alternative<Convolution>(op) || std::holds_alternative<Pooling>(op)) return true;
    if (std::holds_alternative<Deconvolution>(op) && rank == 4) return true;
    if (brings_channels_to_end(op, rank)) return true;
    const bool through =
        std::holds_alternative<Quantize>(op) || std::holds_alternative<Dequantize>(op) ||
        std::holds_alternative<Activation>(op) || std::holds_alternative<Elementwise>(op) ||
        std::holds_alternative<Concatenation>(op) || moves_channels_last(op, rank);
    if (through && wants_channels_last(network_.output(consumer), depth + 1)) return true;
  }
  return false;
}

Layout Lowerer::output_layout(TensorId t) const {
  return wants_channels_last(t) ? Layout::kChannelsLast : Layout::kPlain;
}

/// True when only products with constant weights read the (N, K) tensor, perhaps through
/// quantization: then its K axis may be stored in another order, with the weights' rows permuted.
bool Lowerer::read_by_rows_only(TensorId t) const {
  const auto consumers = network_.consumers(t);
  if (network_.is_output(t) || consumers.empty()) return false;
  return std::all_of(consumers.begin(), consumers.end(), [&](LayerId consumer) {
    const Op& op = network_.op(consumer);
    if (const auto* quantize = std::get_if<Quantize>(&op)) {
      return quantize->axis < 0 && read_by_rows_only(network_.output(consumer));
    }
    if (const auto* dequantize = std::get_if<Dequantize>(&op)) {
      return dequantize->axis < 0 && network_.inputs(consumer)[0] == t &&
             read_by_rows_only(network_.output(consumer));
    }
    const auto& inputs = network_.inputs(consumer);
    return std::holds_alternative<MatrixMultiply>(op) && is_weighted(network_, consumer) &&
           inputs[0] == t && is_float(t) &&
           (inputs.size() < 3 || constant_float(network_, inputs[2]).has_value());
  });
}

/// C when the (N, K) tensor, seen through its quantization, is a channels-last image; else 0.
int64_t Lowerer::flattened_channels(TensorId t) const {
  const auto found = flattened_.find(t.index);
  if (found != flattened_.end()) return found->second;
  const LayerId producer = network_.producer(t);
  if (!producer.valid()) return 0;
  const Op& op = network_.op(producer);
  const bool through =
      std::holds_alternative<Quantize>(op) || std::holds_alternative<Dequantize>(op);
  return through ? flattened_channels(network_.inputs(producer)[0]) : 0;
}

Clamp Lowerer::clamp_of(const Group& group, const std::optional<Quantized>& out) const {
  Clamp clamp;
  if (group.clamp.valid()) {
    const ClampBounds bounds = clamp_bounds(std::get<Activation>(network_.op(group.clamp)));
    clamp.lo = bounds.lo;
    clamp.hi = bounds.hi;
  }
  if (!out) return clamp;
  const auto grid = [&](float bound) {
    return quantize_value(bound, out->scale, out->zero_point, out->lo, out->hi);
  };
  clamp.q_lo = std::isfinite(clamp.lo) ? grid(clamp.lo) : out->lo;
  clamp.q_hi = std::isfinite(clamp.hi) ? grid(clamp.hi) : out->hi;
  return clamp;
}

/// The add's operand that is not the core's product, as the network has it now.
TensorId Lowerer::residual_of(const Group& group) const {
  const auto& inputs = network_.inputs(group.add);
  return inputs[0] == network_.output(group.core) ? inputs[1] : inputs[0];
}

}  // namespace octile
