// Rows of quantize.cu.
#include "kernels/cuda/rows.h"

namespace octile::cuda {
namespace {

/// `by_sample`: each sample has its own range; else all samples are one where nothing turns.
Sample sample_of(const PlanTensor& x, const PlanTensor& y, bool by_sample) {
  Sample p;
  const Shape& shape = x.shape;
  if (shape.rank() > 0) p.n = shape[0];
  if (shape.rank() > 1) p.c = shape[1];
  for (int axis = 2; axis < shape.rank(); ++axis) p.s *= shape[axis];
  p.turn = x.layout != y.layout && p.c > 1 && p.s > 1;
  p.to_last = y.layout == Layout::kChannelsLast;
  if (p.turn) return p;
  if (by_sample) return {.n = p.n, .c = 1, .s = p.c * p.s};
  return {.n = 1, .c = 1, .s = p.n * p.c * p.s};
}

std::unique_ptr<Prepared> prepare_quantize(const StepView& view, const DeviceWeights*,
                                           const Device&) {
  const QuantizeStep step = *view.as<QuantizeStep>();
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  const Sample sample = sample_of(x, y, step.dynamic);
  const Real type = real_type(x);
  if (step.dynamic) {
    const bool affine = view.outputs.size() > 2;
    return make_prepared([step, sample, affine, type](const Buffers& b) {
      launch_quantize_dynamic(
          step.q_lo, step.q_hi, sample, type, b.inputs[0], static_cast<uint8_t*>(b.outputs[0]),
          static_cast<float*>(b.outputs[1]), affine ? static_cast<int32_t*>(b.outputs[2]) : nullptr,
          b.workspace, b.stream);
    });
  }
  const QuantizeFixed fixed{y.scale, y.zero_point, step.q_lo, step.q_hi};
  return make_prepared([fixed, sample, type](const Buffers& b) {
    launch_quantize(fixed, sample, type, b.inputs[0], static_cast<uint8_t*>(b.outputs[0]),
                    b.stream);
  });
}

size_t workspace_of_quantize(const StepView& view) {
  const Shape& shape = view.inputs[0].shape;
  if (!view.as<QuantizeStep>()->dynamic || shape.rank() == 0) return 2 * sizeof(uint32_t);
  return static_cast<size_t>(shape[0]) * 2 * sizeof(uint32_t);
}

std::unique_ptr<Prepared> prepare_dequantize(const StepView& view, const DeviceWeights*,
                                             const Device&) {
  const bool dynamic = view.as<DequantizeStep>()->dynamic;
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  const Sample sample = sample_of(x, y, dynamic);
  const bool has_zero = view.inputs.size() > 2;
  return make_prepared([dynamic, has_zero, sample, scale = x.scale, type = byte_type(x),
                        y_type = real_type(y)](const Buffers& b) {
    launch_dequantize(scale, type, sample, b.inputs[0],
                      dynamic ? static_cast<const float*>(b.inputs[1]) : nullptr,
                      has_zero ? static_cast<const int32_t*>(b.inputs[2]) : nullptr, y_type,
                      b.outputs[0], b.stream);
  });
}

std::string refuse_cast(const StepView& view) {
  if (view.as<ReorderStep>() == nullptr) return "not a reorder";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!is_real(x.type) || !is_real(y.type) || x.type == y.type) return "no change of a float type";
  return "";
}

std::unique_ptr<Prepared> prepare_cast(const StepView& view, const DeviceWeights*, const Device&) {
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  return make_prepared([sample = sample_of(x, y, false), type = real_type(x)](const Buffers& b) {
    launch_cast(sample, type, b.inputs[0], b.outputs[0], b.stream);
  });
}

std::string refuse_quantize(const StepView& view) {
  if (std::string reason = refuse_real<forms::refuse_quantize>(view); !reason.empty())
    return reason;
  constexpr int64_t kMostBlocks = INT32_MAX;
  if (view.as<QuantizeStep>()->dynamic && view.inputs[0].shape.rank() > 0 &&
      view.inputs[0].shape[0] > kMostBlocks) {
    return "too many samples";
  }
  return "";
}

}  // namespace

constinit const Row kQuantizeRow{
    "cuda.quantize", {refuse_quantize, prepare_quantize, nullptr, workspace_of_quantize}};
constinit const Row kDequantizeRow{"cuda.dequantize",
                                   {refuse_real<forms::refuse_dequantize>, prepare_dequantize}};
constinit const Row kCastRow{"cuda.cast", {refuse_cast, prepare_cast}};

}  // namespace octile::cuda
