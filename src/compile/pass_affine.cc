// Passes that move constants and per-channel affine layers into the weights before them.
#include <algorithm>
#include <cmath>

#include "compile/free_name.h"
#include "compile/passes.h"
#include "compile/rewrite.h"
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
  // Requests on either layer hold for the merged one; float32 wins, then float16, then the layer's
  // own.
  const Precision own = network.precision(layer), other = network.precision(tail);
  const bool take_other = other == Precision::kFloat32 || own == Precision::kAuto ||
                          (other == Precision::kFloat16 && own != Precision::kFloat32);
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
  if (value == nullptr || (value->volume() > 1 && value->shape().rank() != 1)) return std::nullopt;
  return per_channel(*value, channels, 0, 1);
}

/// y = x · factor + shift, one pair a channel.
struct Affine {
  TensorId x;
  std::vector<float> factor, shift;
};

/// Channels of a tensor lie along `axis`.
struct Channels {
  int axis = 1;
  int64_t count = 0;
};

std::optional<Affine> scale_affine(const Network& network, LayerId layer, const Channels& c) {
  const Scale scale = std::get<Scale>(network.op(layer));
  const int rank = network.shape(network.output(layer)).rank();
  if (scale.has_power || (scale.axis < 0 ? scale.axis + rank : scale.axis) != c.axis) {
    return std::nullopt;
  }
  auto factor = scale_input(network, layer, 1, scale.has_scale, c.count, 1.0f);
  auto shift = scale_input(network, layer, scale.has_scale ? 2 : 1, scale.has_shift, c.count, 0.0f);
  if (!factor || !shift) return std::nullopt;
  return Affine{network.inputs(layer)[0], std::move(*factor), std::move(*shift)};
}

/// x and a constant added, subtracted (either way), multiplied or divided by.
std::optional<Affine> elementwise_affine(const Network& network, LayerId layer, const Channels& c) {
  const ElementwiseKind kind = std::get<Elementwise>(network.op(layer)).kind;
  const auto& inputs = network.inputs(layer);
  const size_t at = network.constant_value(inputs[0]) != nullptr ? 0 : 1;
  const Tensor* value = network.constant_value(inputs[at]);
  const int rank = network.shape(network.output(layer)).rank();
  if (value == nullptr || network.shape(inputs[1 - at]).rank() != rank) return std::nullopt;
  const auto values = per_channel(*value, c.count, rank - 1 - c.axis, rank);
  if (!values || (kind == ElementwiseKind::kDiv && at == 0)) return std::nullopt;
  Affine affine{inputs[1 - at], std::vector<float>(size_t(c.count), 1.0f),
                std::vector<float>(size_t(c.count), 0.0f)};
  for (size_t i = 0; i < values->size(); ++i) {
    const float v = (*values)[i];
    switch (kind) {
      case ElementwiseKind::kAdd: affine.shift[i] = v; break;
      case ElementwiseKind::kSub:
        affine.factor[i] = at == 0 ? -1.0f : 1.0f;
        affine.shift[i] = at == 0 ? v : -v;
        break;
      case ElementwiseKind::kMul: affine.factor[i] = v; break;
      case ElementwiseKind::kDiv: affine.factor[i] = 1.0f / v; break;
      default: return std::nullopt;
    }
  }
  return affine;
}

std::optional<Affine> affine_of(const Network& network, LayerId layer, const Channels& c) {
  if (!layer.valid()) return std::nullopt;
  const Op& op = network.op(layer);
  auto affine = std::holds_alternative<Scale>(op)         ? scale_affine(network, layer, c)
                : std::holds_alternative<Elementwise>(op) ? elementwise_affine(network, layer, c)
                                                          : std::nullopt;
  const auto is_finite = [](float v) { return std::isfinite(v); };
  const bool usable =
      affine && std::all_of(affine->factor.begin(), affine->factor.end(), is_finite);
  return usable ? affine : std::nullopt;
}

/// The affine layer behind a weighted one goes into its weights and bias.
bool fold_scale_into(Network& network, LayerId tail) {
  const auto* sum = std::get_if<Elementwise>(&network.op(tail));
  if (sum == nullptr && !std::holds_alternative<Scale>(network.op(tail))) return false;
  if (sum != nullptr && sum->kind == ElementwiseKind::kAdd) return false;  // fold-bias does that
  const auto is_constant = [&](TensorId t) { return network.constant_value(t) != nullptr; };
  const TensorId x = network.inputs(tail)[is_constant(network.inputs(tail)[0]) ? 1 : 0];
  const LayerId layer = weighted_producer(network, x);
  if (!layer.valid()) return false;
  const auto* deconvolution = std::get_if<Deconvolution>(&network.op(layer));
  if (deconvolution != nullptr && deconvolution->groups != 1) return false;
  const int axis = network.shape(x).rank() - 1 - axes_behind_channel(network, layer);
  const auto affine = affine_of(network, tail, {axis, output_channels(network, layer)});
  if (!affine || !(affine->x == x)) return false;
  Tensor weights = *weight_source(network, layer)->value;
  std::vector<float> bias = bias_or_zeros(network, layer);
  for_each_weight(weights.shape(), output_channel_axis(network, layer), [&](int64_t i, int64_t c) {
    weights.as<float>()[i] *= affine->factor[static_cast<size_t>(c)];
  });
  for (size_t c = 0; c < bias.size(); ++c) bias[c] = bias[c] * affine->factor[c] + affine->shift[c];
  replace(network, layer, tail, std::move(weights), bias);
  return true;
}

/// True when every output sums over all taps: a shift of the input shifts it by a constant.
bool sees_no_padding(const Op& op) {
  const auto* convolution = std::get_if<Convolution>(&op);
  if (convolution == nullptr) return true;
  const Window& window = convolution->window;
  const auto is_zero = [](int64_t pad) { return pad == 0; };
  return window.mode == PaddingMode::kExplicit &&
         std::all_of(window.pad_before.begin(), window.pad_before.end(), is_zero) &&
         std::all_of(window.pad_after.begin(), window.pad_after.end(), is_zero);
}

/// Input channels of a layer's weights: `index` of each weight, counted over all groups.
struct WeightInputs {
  int64_t count = 0;
  std::vector<int64_t> index;
};

WeightInputs weight_inputs(const Op& op, const Shape& weights) {
  WeightInputs in;
  in.index.resize(static_cast<size_t>(weights.volume()));
  const auto* convolution = std::get_if<Convolution>(&op);
  const int64_t groups = convolution != nullptr ? convolution->groups : 1;
  const auto* product = std::get_if<MatrixMultiply>(&op);
  const int axis = product != nullptr && !product->transpose_b ? 0 : 1;
  const int64_t per_group = weights[axis], rows = weights[1 - axis];
  int64_t inner = 1;
  for (int a = axis + 1; a < weights.rank(); ++a) inner *= weights[a];
  for (int64_t i = 0; i < weights.volume(); ++i) {
    const int64_t row = i / (inner * per_group);
    const int64_t group = groups == 1 ? 0 : row / (rows / groups);
    in.index[static_cast<size_t>(i)] = group * per_group + i / inner % per_group;
  }
  in.count = groups * per_group;
  return in;
}

/// The affine layer before a convolution or product goes into its weights and bias.
bool fold_scale_before(Network& network, LayerId layer) {
  const Op& op = network.op(layer);
  const bool product = std::holds_alternative<MatrixMultiply>(op);
  if (!product && !std::holds_alternative<Convolution>(op)) return false;
  const auto source = weight_source(network, layer);
  const BiasSource old_bias = bias_source(network, layer);
  if (!source || source->dequantize != nullptr || source->value->type() != DataType::kFloat32 ||
      (old_bias.present && old_bias.value == nullptr)) {
    return false;
  }
  const TensorId x = network.inputs(layer)[0];
  Tensor weights = *source->value;
  const WeightInputs in = weight_inputs(op, weights.shape());
  const int axis = product ? network.shape(x).rank() - 1 : 1;
  const auto affine = affine_of(network, droppable_producer(network, x), {axis, in.count});
  if (!affine || network.shape(affine->x) != network.shape(x)) return false;
  const auto is_zero = [](float v) { return v == 0.0f; };
  const auto& shift = affine->shift;
  if (!std::all_of(shift.begin(), shift.end(), is_zero) && !sees_no_padding(op)) return false;
  std::vector<double> sums(static_cast<size_t>(output_channels(network, layer)), 0.0);
  for_each_weight(weights.shape(), output_channel_axis(network, layer), [&](int64_t i, int64_t c) {
    const auto channel = static_cast<size_t>(in.index[static_cast<size_t>(i)]);
    sums[static_cast<size_t>(c)] += double(weights.as<float>()[i]) * double(shift[channel]);
    weights.as<float>()[i] *= affine->factor[channel];
  });
  std::vector<float> bias = bias_or_zeros(network, layer);
  for (size_t c = 0; c < bias.size(); ++c) bias[c] = float(double(bias[c]) + sums[c]);
  const std::string name = network.name(layer);
  const TensorId w =
      network.constant(std::move(weights), free_name(network, name + ".weights.folded"));
  const TensorId b =
      network.constant(Tensor::floats(Shape{static_cast<int64_t>(bias.size())}, bias),
                       free_name(network, name + ".bias.folded"));
  put_in_place(network, layer, network.op(layer), {affine->x, w, b});
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
    if (fold_scale_into(network, layer)) ++changed;
  }
  for (LayerId layer : network.layers()) {
    if (fold_scale_before(network, layer)) ++changed;
  }
  if (changed > 0) remove_dead_layers(network);
  return changed;
}

}  // namespace octile
