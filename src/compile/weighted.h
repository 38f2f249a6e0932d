// Questions about weighted layers (convolution, deconvolution, product with a constant) that
// passes, grouping and insert_qdq share.
#pragma once

#include "octile/network.h"

namespace octile {

/// Weights reach a layer as a constant, or as Dequantize(Quantize(constant)) or
/// Dequantize(constant int8) in networks that are quantized already.
struct WeightSource {
  const Tensor* value = nullptr;  // float values, or integers when quantize is null
  const Quantize* quantize = nullptr;
  const Dequantize* dequantize = nullptr;  // null: plain float weights
};

/// Input 1 of a Convolution / Deconvolution, or the constant rank-2 right operand of a
/// MatrixMultiply whose left operand is not transposed; nullopt for anything else.
std::optional<WeightSource> weight_source(const Network& network, LayerId layer);

inline bool is_weighted(const Network& network, LayerId layer) {
  return weight_source(network, layer).has_value();
}

/// Axis of the weights that counts output channels: 0 for convolutions, the last (or first, if
/// transposed) for matrix products; for deconvolutions axis 1 (groups = 1).
int output_channel_axis(const Network& network, LayerId layer);

/// Number of output channels.
int64_t output_channels(const Network& network, LayerId layer);

/// The bias constant, or null. A bias may be absent or not constant (`constant` false then).
struct BiasSource {
  const Tensor* value = nullptr;
  bool present = false;
};
BiasSource bias_source(const Network& network, LayerId layer);

/// Values of a constant that may have come through Quantize / Dequantize, as float.
std::optional<Tensor> constant_float(const Network& network, TensorId tensor);

/// Calls f(index of the element in the blob, output channel) over weights in their own order.
template <typename F>
void for_each_weight(const Shape& shape, int channel_axis, F&& f) {
  int64_t inner = 1;
  for (int axis = channel_axis + 1; axis < shape.rank(); ++axis) inner *= shape[axis];
  const int64_t channels = shape[channel_axis], count = shape.volume();
  for (int64_t i = 0; i < count; ++i) f(i, i / inner % channels);
}

}  // namespace octile
