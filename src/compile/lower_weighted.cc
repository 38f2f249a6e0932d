// Lowering of convolutions and products with constant weights: weight quantization, integer
// biases and multipliers (docs/arithmetic.md, "A weighted step").
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "compile/lowerer.h"
#include "ops/ops.h"

namespace octile {

/// A static step's integers: weights as they are used, biases with −z_x·Σw_q, multipliers.
struct Lowerer::StaticSums {
  Tensor q;
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
};

namespace {

/// Σ|w_q| and Σw_q of one output channel.
struct RowSums {
  int64_t magnitude = 0, sum = 0;
  RowSums(const int8_t* row, int64_t k) {
    for (int64_t i = 0; i < k; ++i) {
      magnitude += std::abs(int{row[i]});
      sum += row[i];
    }
  }
};

/// A 1-d or 2-d window as a 2-d one.
Window two_dimensional(const Window& window, int spatial_rank) {
  Window w = normalized(window, spatial_rank);
  if (spatial_rank == 2) return w;
  const auto prepend = [](std::vector<int64_t>& list, int64_t value) {
    list.insert(list.begin(), value);
  };
  prepend(w.kernel, 1);
  prepend(w.stride, 1);
  prepend(w.dilation, 1);
  prepend(w.pad_before, 0);
  prepend(w.pad_after, 0);
  return w;
}

}  // namespace

ConvStep Lowerer::conv_geometry(const Group& group, const Tensor& weights) const {
  ConvStep step;
  if (const auto* op = std::get_if<Convolution>(&network_.op(group.core))) {
    const int spatial = network_.shape(network_.inputs(group.core)[0]).rank() - 2;
    Window window = op->window;
    if (window.kernel.empty()) {
      for (int axis = 2; axis < weights.shape().rank(); ++axis) {
        window.kernel.push_back(weights.shape()[axis]);
      }
    }
    step.window = two_dimensional(window, spatial);
    step.groups = op->groups;
    step.out_channels = weights.shape()[0];
    step.in_channels = weights.shape()[1] * op->groups;
    return step;
  }
  const auto& product = std::get<MatrixMultiply>(network_.op(group.core));
  step.window = normalized(Window{.kernel = {1, 1}}, 2);
  step.rows = true;
  step.in_channels = weights.shape()[product.transpose_b ? 1 : 0];
  step.out_channels = weights.shape()[product.transpose_b ? 0 : 1];
  return step;
}

std::vector<float> Lowerer::bias_values(const Group& group, int64_t channels) const {
  const auto& inputs = network_.inputs(group.core);
  if (inputs.size() < 3) return std::vector<float>(static_cast<size_t>(channels), 0.0f);
  const auto value = constant_float(network_, inputs[2]);
  const auto values = value->span<float>();
  return {values.begin(), values.end()};
}

bool Lowerer::try_weighted(const Group& group) {
  const auto source = weight_source(network_, group.core);
  if (!source || std::holds_alternative<Deconvolution>(network_.op(group.core))) return false;
  const auto& inputs = network_.inputs(group.core);
  const int rank = network_.shape(inputs[0]).rank();
  const bool product = std::holds_alternative<MatrixMultiply>(network_.op(group.core));
  if (!product && rank != 3 && rank != 4) return false;
  if (!is_float(inputs[0]) || !is_float(inputs[1])) return false;
  if (inputs.size() > 2) {
    const auto bias = constant_float(network_, inputs[2]);
    if (!bias || bias->type() != DataType::kFloat32) return false;
  }
  ConvStep step = conv_geometry(group, *source->value);
  if (!try_int8_conv(group, step)) float_conv(group, step);
  return true;
}

bool Lowerer::try_int8_conv(const Group& group, ConvStep step) {
  const TensorId x = network_.inputs(group.core)[0];
  const auto from = dequantized_from(x);
  const LayerId dynamic = dynamic_dequantize(x);
  if (!from && !dynamic.valid()) return false;
  auto weights = int8_weights(group);
  if (!weights) return false;
  if (from) {
    if (weights->halves) step.in_channels *= 2;
    return static_int8_conv(group, std::move(step), *weights, *from);
  }
  if (weights->halves) {
    step_note_ = "weights beyond [-127, 127] need an input of static scale";
    return false;
  }
  const int64_t k = weights->q.volume() / std::max<int64_t>(1, step.out_channels);
  for (int64_t c = 0; c < step.out_channels; ++c) {
    if (sum_fits(RowSums(weights->q.as<int8_t>() + c * k, k).magnitude, 255)) continue;
    step_note_ = fmt::format("the int32 sum of channel {} could overflow", c);
    return false;
  }
  dynamic_int8_conv(group, std::move(step), *weights, dynamic);
  return true;
}

/// The grid that the step itself can write: not where an add follows that it cannot fuse.
std::optional<Quantized> Lowerer::fused_output(const Group& group) const {
  auto out = quantized_into(output_of(network_, group));
  if (!group.add.valid() || !out) return out;
  const auto residual = dequantized_from(residual_of(group));
  const bool fused =
      residual && is_usable_multiplier(float(double(residual->scale) / double(out->scale)));
  return fused ? out : std::nullopt;
}

/// Fills `sums`; or says why int32 sums or binary32 multipliers cannot do it.
std::string Lowerer::make_static_sums(const Group& group, const Weights& weights,
                                      const Quantized& x, const std::optional<Quantized>& out,
                                      StaticSums& sums) const {
  const size_t channels = weights.scale.size();
  const int64_t k = weights.q.volume() / std::max<int64_t>(1, int64_t(channels));
  const std::vector<float> b = bias_values(group, int64_t(channels));
  sums.q = weights.q;
  sums.multiplier.resize(channels);
  sums.bias.resize(channels);
  for (size_t c = 0; c < channels; ++c) {
    int8_t* row = sums.q.as<int8_t>() + static_cast<int64_t>(c) * k;
    float& m = sums.multiplier[c];
    m = out ? output_multiplier(x.scale, weights.scale[c], out->scale)
            : product_scale(x.scale, weights.scale[c]);
    if (m < kSmallestMultiplier) {
      std::fill(row, row + k, int8_t{0});
      m = 1.0f;
      continue;
    }
    if (!is_usable_multiplier(m)) {
      return fmt::format("the multiplier of channel {} overflows float32", c);
    }
    const RowSums w(row, k);
    const double bias = std::nearbyint(double(b[c]) / (double(x.scale) * double(weights.scale[c])));
    if (!(double(w.magnitude) * x.largest() + std::fabs(bias) < 0x1p31)) {
      return fmt::format("the int32 sum of channel {} could overflow", c);
    }
    sums.bias[c] = static_cast<int32_t>(
        static_cast<uint32_t>(static_cast<int64_t>(bias) - int64_t{x.zero_point} * w.sum));
  }
  return "";
}

/// False, and a note, where the layer must stay float.
bool Lowerer::static_int8_conv(const Group& group, ConvStep step, const Weights& weights,
                               const Quantized& x) {
  const Layout layout = step.rows ? Layout::kPlain : Layout::kChannelsLast;
  const auto out = fused_output(group);
  const bool fused = group.add.valid() && out;
  StaticSums sums;
  if (auto refusal = make_static_sums(group, weights, x, out, sums); !refusal.empty()) {
    step_note_ = std::move(refusal);
    return false;
  }
  const Shape per_channel{step.out_channels};
  step.weights =
      add_blob_bytes(DataType::kInt8, sums.q.shape(), std::as_bytes(sums.q.span<int8_t>()));
  step.bias = add_blob(DataType::kInt32, per_channel, sums.bias);
  step.multiplier = add_blob(DataType::kFloat32, per_channel, sums.multiplier);
  std::vector<int32_t> inputs{weights.halves ? doubled(x.q, layout, step) : form(x.q, layout)};
  if (fused) {
    const Quantized residual = *dequantized_from(residual_of(group));
    inputs.push_back(form(residual.q, layout));
    step.residual = true;
    step.residual_multiplier = static_cast<float>(double(residual.scale) / double(out->scale));
  } else if (group.add.valid()) {  // the product in float, the add after it
    emit(step, inputs, {define(network_.output(group.core), layout)});
    add_residual(group, layout);
    return true;
  }
  step.clamp = clamp_of(group, out);
  const TensorId y = output_of(network_, group);
  const int32_t output = out ? define_quantized(y, *out, layout) : define(y, layout);
  emit(std::move(step), std::move(inputs), {output});
  return true;
}

void Lowerer::dynamic_int8_conv(const Group& group, ConvStep step, const Weights& weights,
                                LayerId dequantize) {
  const Layout layout = step.rows ? Layout::kPlain : Layout::kChannelsLast;
  const auto& sources = network_.inputs(dequantize);
  step.dynamic = true;
  step.weights =
      add_blob_bytes(DataType::kInt8, weights.q.shape(), std::as_bytes(weights.q.span<int8_t>()));
  const Shape per_channel{step.out_channels};
  step.bias = add_blob(DataType::kFloat32, per_channel, bias_values(group, step.out_channels));
  step.multiplier = add_blob(DataType::kFloat32, per_channel, weights.scale);
  std::vector<int32_t> inputs{form(sources[0], layout), form(sources[1], Layout::kPlain)};
  if (network_.type(sources[0]) == DataType::kUInt8) {
    inputs.push_back(form(sources[2], Layout::kPlain));
  }
  const TensorId product = network_.output(group.core);
  if (group.add.valid()) {
    emit(step, inputs, {define(product, layout)});
    add_residual(group, layout);
    return;
  }
  step.clamp = clamp_of(group, std::nullopt);
  emit(std::move(step), std::move(inputs), {define(output_of(network_, group), layout)});
}

/// The group's add (and clamp) as a float step of its own, operands in the network's order.
void Lowerer::add_residual(const Group& group, Layout layout) {
  EltwiseStep add{.kind = ElementwiseKind::kAdd, .clamp = clamp_of(group, std::nullopt)};
  const auto& operands = network_.inputs(group.add);
  std::vector<int32_t> inputs;
  for (TensorId t : operands) inputs.push_back(form(t, layout));
  emit(add, std::move(inputs), {define(output_of(network_, group), layout)});
}

void Lowerer::float_conv(const Group& group, ConvStep step) {
  const Layout layout = step.rows ? Layout::kPlain : Layout::kChannelsLast;
  const auto& layer_inputs = network_.inputs(group.core);
  const Tensor values = *constant_float(network_, layer_inputs[1]);
  const Tensor weights = canonical_weights(group, values);
  step.weights =
      add_blob_bytes(DataType::kFloat32, weights.shape(), std::as_bytes(weights.span<float>()));
  if (layer_inputs.size() > 2) {
    step.bias = add_blob(DataType::kFloat32, Shape{step.out_channels},
                         bias_values(group, step.out_channels));
  }
  step.residual = group.add.valid();
  step.clamp = clamp_of(group, std::nullopt);
  std::vector<int32_t> inputs{form(layer_inputs[0], layout)};
  if (step.residual) inputs.push_back(form(residual_of(group), layout));
  emit(std::move(step), std::move(inputs), {define(output_of(network_, group), layout)});
}

}  // namespace octile
