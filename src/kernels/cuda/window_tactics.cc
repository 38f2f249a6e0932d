// Rows of window.cu: the plain convolutions, which accept whatever the arithmetic knows.
#include <algorithm>

#include "kernels/cuda/rows.h"
#include "ops/window.h"
#include "plan/geometry.h"

namespace octile::cuda {
namespace {

Geometry window_geometry(const StepView& view) {
  return octile::geometry_of(*view.as<ConvStep>(), view.inputs[0].shape, view.outputs[0].shape);
}

Window2d window_of(const Geometry& g) {
  const auto i = [](int64_t v) { return static_cast<int32_t>(v); };
  return {i(g.n),          i(g.h),        i(g.w),        i(g.c),
          i(g.out_h),      i(g.out_w),    i(g.m),        i(g.kernel_h),
          i(g.kernel_w),   i(g.stride_h), i(g.stride_w), i(g.dilation_h),
          i(g.dilation_w), i(g.pad_top),  i(g.pad_left), i(g.groups)};
}

// Parts of the packed weights.
enum BytePart : size_t { kWords, kBias, kMultiplier, kSums };
enum FloatPart : size_t { kFloats, kFloatBias };

std::unique_ptr<DeviceWeights> pack_bytes_window(const StepView& view, const Device& device) {
  const auto& step = *view.as<ConvStep>();
  const int64_t m = step.out_channels, group_in = step.in_channels / step.groups;
  const int64_t taps = step.rows ? 1 : step.window.kernel[0] * step.window.kernel[1];
  const int64_t depth = (group_in + 3) / 4;
  const auto* w = view.blob(step.weights).as<int8_t>();
  std::vector<uint32_t> words(static_cast<size_t>(taps * depth * m));
  std::vector<int32_t> sums(static_cast<size_t>(m));
  for (int64_t o = 0; o < m; ++o) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t c = 0; c < group_in; ++c) {
        const int8_t value = w[(o * taps + tap) * group_in + c];
        words[static_cast<size_t>((tap * depth + c / 4) * m + o)] |=
            uint32_t{static_cast<uint8_t>(value)} << (8 * (c % 4));
        sums[static_cast<size_t>(o)] += value;
      }
    }
  }
  auto weights = std::make_unique<DeviceWeights>();
  weights->add(device, words);
  weights->add_blob(device, view, step.bias);
  weights->add_blob(device, view, step.multiplier);
  weights->add(device, sums);
  return weights;
}

std::unique_ptr<Prepared> prepare_bytes_window(const StepView& view, const DeviceWeights* packed,
                                               const Device&) {
  const auto& s = *view.as<ConvStep>();
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  const Geometry g = window_geometry(view);
  WindowBytes step{.x = byte_type(x),
                   .float_out = is_real(y.type),
                   .has_residual = s.residual,
                   .dynamic = s.dynamic,
                   .y_type = real_type(y),
                   .residual_multiplier = s.residual_multiplier,
                   .y_zero_point = y.zero_point,
                   .q_lo = s.clamp.q_lo,
                   .q_hi = s.clamp.q_hi,
                   .lo = s.clamp.lo,
                   .hi = s.clamp.hi};
  if (s.residual) step.residual = byte_type(view.inputs[1]);
  if (s.dynamic && x.shape[0] > 0) step.images_per_sample = g.n / x.shape[0];
  const WindowWeights weights{.words = packed->as<uint32_t>(kWords),
                              .bias = s.dynamic ? nullptr : packed->as<int32_t>(kBias),
                              .bias_float = s.dynamic ? packed->as<float>(kBias) : nullptr,
                              .multiplier = packed->as<float>(kMultiplier),
                              .sums = packed->as<int32_t>(kSums)};
  const bool zeros = s.dynamic && x.type == DataType::kUInt8;
  return make_prepared([step, weights, zeros, w = window_of(g)](const Buffers& b) {
    launch_window_bytes(w, step, weights, b.inputs[0], step.has_residual ? b.inputs[1] : nullptr,
                        step.dynamic ? static_cast<const float*>(b.inputs[1]) : nullptr,
                        zeros ? static_cast<const int32_t*>(b.inputs[2]) : nullptr, b.outputs[0],
                        b.stream);
  });
}

/// [taps][c/groups][m].
std::unique_ptr<DeviceWeights> pack_floats_window(const StepView& view, const Device& device) {
  const auto& step = *view.as<ConvStep>();
  const auto* w = view.blob(step.weights).as<float>();
  const int64_t m = step.out_channels, count = view.blob(step.weights).shape.volume();
  const int64_t each = m > 0 ? count / m : 0;
  std::vector<float> values(static_cast<size_t>(count));
  for (int64_t o = 0; o < m; ++o) {
    for (int64_t i = 0; i < each; ++i) values[static_cast<size_t>(i * m + o)] = w[o * each + i];
  }
  auto weights = std::make_unique<DeviceWeights>();
  weights->add(device, values);
  weights->add_blob(device, view, step.bias);
  return weights;
}

std::unique_ptr<Prepared> prepare_floats_window(const StepView& view, const DeviceWeights* packed,
                                                const Device&) {
  const auto& s = *view.as<ConvStep>();
  return make_prepared([w = window_of(window_geometry(view)), clamp = s.clamp,
                        residual = s.residual, weights = packed->as<float>(kFloats),
                        bias = packed->as<float>(kFloatBias),
                        type = real_type(view.inputs[0])](const Buffers& b) {
    launch_window_floats(w, clamp.lo, clamp.hi, weights, bias, type, b.inputs[0],
                         residual ? b.inputs[1] : nullptr, b.outputs[0], b.stream);
  });
}

std::unique_ptr<DeviceWeights> pack_transposed(const StepView& view, const Device& device) {
  const auto& step = *view.as<DeconvStep>();
  auto weights = std::make_unique<DeviceWeights>();
  weights->add_blob(device, view, step.weights);
  weights->add_blob(device, view, step.bias);
  return weights;
}

std::unique_ptr<Prepared> prepare_transposed(const StepView& view, const DeviceWeights* packed,
                                             const Device&) {
  const auto& s = *view.as<DeconvStep>();
  const Shape &x = view.inputs[0].shape, &y = view.outputs[0].shape;
  const WindowAxes axes = deconvolution_axes({s.window, s.groups, s.output_padding}, x, y);
  const auto i = [](int64_t v) { return static_cast<int32_t>(v); };
  const Window2d w{i(x[0]),
                   i(axes.in[1]),
                   i(axes.in[2]),
                   i(s.in_channels),
                   i(axes.out[1]),
                   i(axes.out[2]),
                   i(s.out_channels),
                   i(axes.kernel[1]),
                   i(axes.kernel[2]),
                   i(axes.stride[1]),
                   i(axes.stride[2]),
                   i(axes.dilation[1]),
                   i(axes.dilation[2]),
                   i(axes.before[1]),
                   i(axes.before[2]),
                   i(s.groups)};
  return make_prepared([w, clamp = s.clamp, weights = packed->as<float>(kFloats),
                        bias = packed->as<float>(kFloatBias),
                        type = real_type(view.inputs[0])](const Buffers& b) {
    launch_transposed_window(w, clamp.lo, clamp.hi, weights, bias, type, b.inputs[0], b.outputs[0],
                             b.stream);
  });
}

std::string refuse_layout(const StepView& view, bool rows) {
  for (const PlanTensor* t : {&view.inputs[0], &view.outputs[0]}) {
    if (rows ? !is_plain(*t) : !is_image(*t)) return "the layout is not the step's";
    if (t->shape.volume() / std::max<int64_t>(1, t->shape[t->shape.rank() - 1]) > INT32_MAX) {
      return "too large";
    }
  }
  return "";
}

std::string refuse_bytes_window(const StepView& view) {
  if (std::string reason = refuse_real<forms::refuse_conv_bytes>(view); !reason.empty())
    return reason;
  return refuse_layout(view, view.as<ConvStep>()->rows);
}

std::string refuse_floats_window(const StepView& view) {
  const auto* step = view.as<ConvStep>();
  if (step == nullptr) return "not a convolution";
  for (const PlanTensor& t : view.inputs) {
    if (!is_float(t)) return "an input is not float";
  }
  if (!is_float(view.outputs[0])) return "the output is not float";
  return refuse_layout(view, step->rows);
}

std::string refuse_transposed(const StepView& view) {
  if (std::string reason = refuse_real<forms::refuse_deconv>(view); !reason.empty()) return reason;
  return refuse_layout(view, false);
}

}  // namespace

constinit const Row kWindowBytesRow{"cuda.conv.int8.plain",
                                    {refuse_bytes_window, prepare_bytes_window, pack_bytes_window}};
constinit const Row kWindowFloatsRow{
    "cuda.conv.float.plain",
    {refuse_real<refuse_floats_window>, prepare_floats_window, pack_floats_window}};
constinit const Row kTransposedWindowRow{"cuda.deconv.float",
                                         {refuse_transposed, prepare_transposed, pack_transposed}};

}  // namespace octile::cuda
