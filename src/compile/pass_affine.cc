// Passes that move constants and per-channel affine layers into the weights before them.
#include <cmath>

#include "compile/free_name.h"
#include "compile/passes.h"
#include "compile/weighted.h"

namespace octile {
namespace {

/// A plain-float weighted layer whose only use is `consumer`; invalid id otherwise.
LayerId weighted_producer(const Network& network, TensorId tensor) {
  const LayerId layer = network.producer(tensor);
  if (!layer.valid() || network.is_output(tensor) || network.consumers(tensor).size() != 1) {
    return {};
  }
  const auto source = weight_source(network, layer);
  if (!source || source->dequantize != nullptr || source->value->type() != DataType::kFloat32) {
    return {};
  }
  const BiasSource bias = bias_source(network, layer);
  return bias.present && bias.value == nullptr ? LayerId{} : layer;
}

/// `value` as one number an output channel, when it broadcasts over nothing else: shape (),
/// (1, …, 1) or, with `after` axes behind the channel axis, (…1, C, 1…).
std::optional<std::vector<float>> per_channel(const Tensor& value, int64_t channels, int after,
                                              int rank) {
  if (value.type() != DataType::kFloat32 || value.shape().rank() > rank) return std::nullopt;
  const auto values = value.span<float>();
  if (value.volume() == 1) return std::vector<float>(static_cast<size_t>(channels), values[0]);
  const int axis = value.shape().rank() - 1 - after;
  if (value.volume() != channels || axis < 0 || value.shape()[axis] != channels) {
    return std::nullopt;
  }
  return std::vector<float>(values.begin(), values.end());
}

int axes_behind_channel(const Network& network, LayerId layer) {
  if (std::holds_alternative<MatrixMultiply>(network.op(layer))) return 0;
  return network.shape(network.output(layer)).rank() - 2;
}

std::vector<float> bias_or_zeros(const Network& network, LayerId layer) {
  const BiasSource bias = bias_source(network, layer);
  if (bias.value == nullptr) {
    return std::vector<float>(static_cast<size_t>(output_channels(network, layer)), 0.0f);
  }
  const auto values = bias.value->span<float>();
  return {values.begin(), values.end()};
}

/// Puts a layer with new weights and bias in the place of `layer` and of `tail` (its consumer):
/// it keeps the layer's name and the tail's output tensor.
void replace(Network& network, LayerId layer, LayerId tail, std::optional<Tensor> weights,
             const std::vector<float>& bias) {
  const std::string name = network.name(layer);
  const Op op = network.op(layer);
  const TensorId x = network.inputs(layer)[0];
  const TensorId w =
      weights ? network.constant(std::move(*weights), free_name(network, name + ".weights.folded"))
              : network.inputs(layer)[1];
  const TensorId b =
      network.constant(Tensor::floats(Shape{static_cast<int64_t>(bias.size())}, bias),
                       free_name(network, name + ".bias.folded"));
  const TensorId old = network.output(tail);
  const std::string old_name = network.name(old);
  // Requests on either layer hold for the merged one; float32 wins, then the layer's own.
  const Precision own = network.precision(layer), other = network.precision(tail);
  const bool take_other = other == Precision::kFloat32 || own == Precision::kAuto;
  const Precision precision = take_other ? other : own;
  const auto scheme = network.scheme(layer) ? network.scheme(layer) : network.scheme(tail);
  const auto range = network.dynamic_range(old);
  const LayerId merged = network.add(op, {x, w, b}, name + ".merged");
  const TensorId y = network.output(merged);
  network.replace_uses(old, y);
  network.remove(tail);
  network.remove(layer);
  network.rename(merged, name);
  network.rename(y, old_name);
  network.set_precision(merged, precision);
  if (scheme) network.set_scheme(merged, *scheme);
  if (range) network.set_dynamic_range(y, *range);
}

bool fold_bias_into(Network& network, LayerId add, int product_index) {
  const TensorId x = network.inputs(add)[static_cast<size_t>(product_index)];
  const Tensor* value = network.constant_value(network.inputs(add)[size_t(1 - product_index)]);
  const LayerId layer = weighted_producer(network, x);
  if (value == nullptr || !layer.valid()) return false;
  const auto addend = per_channel(*value, output_channels(network, layer),
                                  axes_behind_channel(network, layer), network.shape(x).rank());
  if (!addend) return false;
  std::vector<float> bias = bias_or_zeros(network, layer);
  for (size_t c = 0; c < bias.size(); ++c) bias[c] += (*addend)[c];
  replace(network, layer, add, std::nullopt, bias);
  return true;
}

/// The constant of a Scale layer per channel, `fallback` where absent; nullopt when elementwise.
std::optional<std::vector<float>> scale_input(const Network& network, LayerId layer, int index,
                                              bool present, int64_t channels, float fallback) {
  if (!present) return std::vector<float>(static_cast<size_t>(channels), fallback);
  const Tensor* value = network.constant_value(network.inputs(layer)[static_cast<size_t>(index)]);
  if (value == nullptr || value->type() != DataType::kFloat32) return std::nullopt;
  const auto values = value->span<float>();
  if (value->volume() == 1) {
    return std::vector<float>(static_cast<size_t>(channels), values[0]);
  }
  if (value->volume() != channels || value->shape().rank() != 1) return std::nullopt;
  return std::vector<float>(values.begin(), values.end());
}

bool fold_scale_into(Network& network, LayerId tail) {
  const Scale scale = std::get<Scale>(network.op(tail));
  const TensorId x = network.inputs(tail)[0];
  const LayerId layer = weighted_producer(network, x);
  if (!layer.valid() || scale.has_power) return false;
  const auto* deconvolution = std::get_if<Deconvolution>(&network.op(layer));
  if (deconvolution != nullptr && deconvolution->groups != 1) return false;
  const int rank = network.shape(x).rank();
  const bool product = std::holds_alternative<MatrixMultiply>(network.op(layer));
  if ((scale.axis < 0 ? scale.axis + rank : scale.axis) != (product ? rank - 1 : 1)) return false;
  const int64_t channels = output_channels(network, layer);
  const auto factor = scale_input(network, tail, 1, scale.has_scale, channels, 1.0f);
  const auto shift =
      scale_input(network, tail, scale.has_scale ? 2 : 1, scale.has_shift, channels, 0.0f);
  if (!factor || !shift) return false;
  Tensor weights = *weight_source(network, layer)->value;
  std::vector<float> bias = bias_or_zeros(network, layer);
  for_each_weight(weights.shape(), output_channel_axis(network, layer), [&](int64_t i, int64_t c) {
    weights.as<float>()[i] *= (*factor)[static_cast<size_t>(c)];
  });
  for (size_t c = 0; c < bias.size(); ++c) bias[c] = bias[c] * (*factor)[c] + (*shift)[c];
  replace(network, layer, tail, std::move(weights), bias);
  return true;
}

}  // namespace

int fold_bias(Network& network) {
  int changed = 0;
  for (LayerId layer : network.layers()) {
    const auto* op = std::get_if<Elementwise>(&network.op(layer));
    if (op == nullptr || op->kind != ElementwiseKind::kAdd) continue;
    if (fold_bias_into(network, layer, 0) || fold_bias_into(network, layer, 1)) ++changed;
  }
  return changed;
}

int fold_scale(Network& network) {
  int changed = 0;
  for (LayerId layer : network.layers()) {
    if (!std::holds_alternative<Scale>(network.op(layer))) continue;
    if (fold_scale_into(network, layer)) ++changed;
  }
  return changed;
}

}  // namespace octile
