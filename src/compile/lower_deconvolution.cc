// Lowering of transposed convolutions, which run in float.
#include "compile/channels_innermost.h"
#include "compile/lowerer.h"
#include "ops/ops.h"

namespace octile {

bool Lowerer::try_deconvolution(const Group& group) {
  const auto* op = std::get_if<Deconvolution>(&network_.op(group.core));
  if (op == nullptr || !is_weighted(network_, group.core)) return false;
  const auto& layer_inputs = network_.inputs(group.core);
  if (network_.shape(layer_inputs[0]).rank() != 4 || !is_float(layer_inputs[0])) return false;
  if (layer_inputs.size() > 2 && !constant_float(network_, layer_inputs[2])) return false;
  const Tensor values = *constant_float(network_, layer_inputs[1]);
  if (values.type() != DataType::kFloat32) return false;
  DeconvStep step;
  step.window = op->window;
  if (step.window.kernel.empty()) step.window.kernel = {values.shape()[2], values.shape()[3]};
  step.window = normalized(step.window, 2);
  step.groups = op->groups;
  step.in_channels = values.shape()[0];
  step.out_channels = values.shape()[1] * op->groups;
  step.output_padding = op->output_padding;
  if (step.output_padding.empty()) step.output_padding = {0, 0};
  const Tensor weights = channels_innermost(values).reshaped(
      {values.shape()[0], values.shape()[2], values.shape()[3], values.shape()[1]});
  step.weights =
      add_blob_bytes(DataType::kFloat32, weights.shape(), std::as_bytes(weights.span<float>()));
  if (layer_inputs.size() > 2) {
    step.bias = add_blob(DataType::kFloat32, Shape{step.out_channels},
                         bias_values(group, step.out_channels));
  }
  step.clamp = clamp_of(group, std::nullopt);
  const int32_t input = form(layer_inputs[0], Layout::kChannelsLast);
  emit(std::move(step), {input}, {define(output_of(network_, group), Layout::kChannelsLast)});
  return true;
}

}  // namespace octile
