// Rows of pool.cu. What depends on a window's count alone is tabulated here, by the rules' own
// code.
#include "arithmetic/quantize.h"
#include "kernels/cuda/rows.h"
#include "plan/geometry.h"

namespace octile::cuda {
namespace {

Pool2d pool_of(const Geometry& g) {
  const auto i = [](int64_t v) { return static_cast<int32_t>(v); };
  return {i(g.n),          i(g.h),          i(g.w),        i(g.c),        i(g.out_h),
          i(g.out_w),      i(g.kernel_h),   i(g.kernel_w), i(g.stride_h), i(g.stride_w),
          i(g.dilation_h), i(g.dilation_w), i(g.pad_top),  i(g.pad_left)};
}

Geometry pool_geometry(const StepView& view) {
  return octile::geometry_of(*view.as<PoolStep>(), view.inputs[0].shape, view.outputs[0].shape);
}

/// Taps of one window on one axis that an average divides by. A rounded-up last window may reach
/// beyond the padding; those taps never count.
int64_t counted(int64_t out, int64_t extent, int64_t kernel, int64_t stride, int64_t dilation,
                int64_t before, int64_t after, bool count_padding) {
  int64_t count = 0;
  for (int64_t k = 0; k < kernel; ++k) {
    const int64_t at = out * stride - before + k * dilation;
    count += count_padding ? at < extent + after : at >= 0 && at < extent;
  }
  return count;
}

/// f(count) of every window, (out_h, out_w).
template <typename F>
std::vector<float> by_window(const PoolStep& step, const Geometry& g, F&& f) {
  std::vector<float> values;
  for (int64_t oh = 0; oh < g.out_h; ++oh) {
    const int64_t rows = counted(oh, g.h, g.kernel_h, g.stride_h, g.dilation_h, g.pad_top,
                                 g.pad_bottom, step.count_padding);
    for (int64_t ow = 0; ow < g.out_w; ++ow) {
      const int64_t columns = counted(ow, g.w, g.kernel_w, g.stride_w, g.dilation_w, g.pad_left,
                                      g.pad_right, step.count_padding);
      values.push_back(f(rows * columns));
    }
  }
  return values;
}

std::unique_ptr<Prepared> prepare_bytes_pool(const StepView& view, const DeviceWeights*,
                                             const Device& device) {
  const auto& step = *view.as<PoolStep>();
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  const Geometry g = pool_geometry(view);
  const Pool2d p = pool_of(g);
  if (step.kind == PoolingKind::kMax) {
    return make_prepared([p, is_unsigned = x.type == DataType::kUInt8](const Buffers& b) {
      launch_max_pool_bytes(p, is_unsigned, b.inputs[0], b.outputs[0], b.stream);
    });
  }
  const std::vector<float> values = by_window(step, g, [&](int64_t count) {
    return count == 0 ? 0.0f : average_multiplier(x.scale, y.scale, count);
  });
  Memory table = upload(device.accelerator, std::as_bytes(std::span(values)));
  return make_prepared(
      [p, table = std::move(table), from = byte_type(x), to = byte_type(y)](const Buffers& b) {
        launch_average_pool_bytes(p, from, to, table.as<const float>(), b.inputs[0], b.outputs[0],
                                  b.stream);
      });
}

std::unique_ptr<Prepared> prepare_floats_pool(const StepView& view, const DeviceWeights*,
                                              const Device& device) {
  const auto& step = *view.as<PoolStep>();
  const Geometry g = pool_geometry(view);
  const Pool2d p = pool_of(g);
  const Real type = real_type(view.inputs[0]);
  if (step.kind == PoolingKind::kMax) {
    return make_prepared([p, type](const Buffers& b) {
      launch_max_pool_floats(p, type, b.inputs[0], b.outputs[0], b.stream);
    });
  }
  const std::vector<float> values =
      by_window(step, g, [](int64_t count) { return static_cast<float>(count); });
  Memory table = upload(device.accelerator, std::as_bytes(std::span(values)));
  return make_prepared([p, type, table = std::move(table)](const Buffers& b) {
    launch_average_pool_floats(p, table.as<const float>(), type, b.inputs[0], b.outputs[0],
                               b.stream);
  });
}

}  // namespace

constinit const Row kPoolBytesRow{"cuda.pool.int8", {forms::refuse_pool_bytes, prepare_bytes_pool}};
constinit const Row kPoolFloatsRow{"cuda.pool.float",
                                   {refuse_real<forms::refuse_pool_floats>, prepare_floats_pool}};

}  // namespace octile::cuda
