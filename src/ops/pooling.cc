// Pooling: maximum over the window's elements on the image (padding is ignored), on float and
// integers; average of floats, summed in binary64 in row-major order.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel_for.h"
#include "ops/sum_tile.h"
#include "ops/window.h"

namespace octile {
namespace {

/// A global pooling is a window as large as the image.
WindowAxes pooling_axes(const Pooling& op, const Shape& in, const Shape& out) {
  if (!op.global) return window_axes(op.window, in, out);
  WindowAxes axes = window_axes(Window{}, in, out);
  axes.kernel = axes.in;
  return axes;
}

/// Taps on the image or the padding (kCeil's last window may reach beyond both).
int64_t padded_taps(const WindowAxes& axes, size_t axis, int64_t out) {
  const int64_t start = out * axes.stride[axis] - axes.before[axis];
  const int64_t room = axes.in[axis] + axes.after[axis] - start;
  return std::min(axes.kernel[axis], (room - 1) / axes.dilation[axis] + 1);
}

/// Calls f(value) for the elements of one window in row-major order.
template <typename T, typename F>
void for_window(const WindowAxes& axes, const T* plane, const std::array<Taps, 3>& taps, F&& f) {
  for (int64_t d = taps[0].begin; d < taps[0].end; ++d) {
    const int64_t id = taps[0].start + d * axes.dilation[0];
    for (int64_t h = taps[1].begin; h < taps[1].end; ++h) {
      const int64_t ih = taps[1].start + h * axes.dilation[1];
      const T* row = plane + (id * axes.in[1] + ih) * axes.in[2] + taps[2].start;
      for (int64_t w = taps[2].begin; w < taps[2].end; ++w) f(row[w * axes.dilation[2]]);
    }
  }
}

/// Calls body(plane of x, taps, out indices) → value for every output element.
template <typename T, typename Body>
void for_outputs(const WindowAxes& axes, int64_t planes, const T* x, T* y, const Body& body) {
  const int64_t work = axes.out_volume() * axes.kernel_volume();
  parallel_for(planes, grain_for(work), [&](int64_t begin, int64_t end, int) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* from = x + plane * axes.in_volume();
      T* to = y + plane * axes.out_volume();
      for (int64_t d = 0; d < axes.out[0]; ++d) {
        for (int64_t h = 0; h < axes.out[1]; ++h) {
          for (int64_t w = 0; w < axes.out[2]; ++w) {
            const std::array<Taps, 3> taps{taps_of(axes, 0, d), taps_of(axes, 1, h),
                                           taps_of(axes, 2, w)};
            *to++ = body(from, taps, std::array<int64_t, 3>{d, h, w});
          }
        }
      }
    }
  });
}

template <typename T>
void max_pool(const WindowAxes& axes, int64_t planes, const TensorView& in,
              const MutableTensorView& out) {
  for_outputs(axes, planes, in.as<T>(), out.as<T>(),
              [&](const T* plane, const std::array<Taps, 3>& taps, const auto&) {
                T best = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                              : std::numeric_limits<T>::lowest();
                for_window(axes, plane, taps, [&](T v) {
                  // NaN wins and stays
                  if (v > best || is_nan(v)) best = v;
                });
                return best;
              });
}

void average_pool(const Pooling& op, const WindowAxes& axes, int64_t planes, const TensorView& in,
                  const MutableTensorView& out) {
  for_outputs(
      axes, planes, in.as<float>(), out.as<float>(),
      [&](const float* plane, const std::array<Taps, 3>& taps, const std::array<int64_t, 3>& at) {
        double sum = 0.0;
        for_window(axes, plane, taps, [&](float v) { sum += v; });
        int64_t count = 1;
        for (size_t axis = 0; axis < 3; ++axis) {
          count *= op.count_padding ? padded_taps(axes, axis, at[axis])
                                    : taps[axis].end - taps[axis].begin;
        }
        return count == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(count));
      });
}

}  // namespace

Inferred infer_op(const Pooling& op, Infos in) {
  require_inputs(in, {"x"});
  if (op.kind == PoolingKind::kAverage) {
    require_type(in, 0, {DataType::kFloat32});
  } else {
    require_type(in, 0,
                 {DataType::kFloat32, DataType::kInt8, DataType::kUInt8, DataType::kInt32,
                  DataType::kInt64});
  }
  const Shape spatial = require_image(in[0]);
  Shape out{in[0].shape[0], in[0].shape[1]};
  if (op.global) {
    for (int axis = 0; axis < spatial.rank(); ++axis) {
      check(spatial[axis] != 0, ErrorCode::kInvalidArgument, "cannot pool the empty image {}",
            in[0].shape.to_string());
      out.push_back(1);
    }
    return {{in[0].type, out, nullptr}};
  }
  require_window(op.window, spatial.rank());
  for (int axis = 0; axis < spatial.rank(); ++axis) {
    const int64_t window = dilated_kernel(op.window, axis);
    const int64_t before = entry(op.window.pad_before, axis, 0);
    const int64_t after = entry(op.window.pad_after, axis, 0);
    check(before < window && after < window, ErrorCode::kInvalidArgument,
          "on spatial axis {} the padding ({} before, {} after) must be smaller than the window "
          "({}); use a Padding layer",
          axis, before, after, window);
  }
  for (int64_t extent : window_output(op.window, spatial)) out.push_back(extent);
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const Pooling& op, Views in, Outs out) {
  const WindowAxes axes = pooling_axes(op, in[0].shape, out[0].shape);
  const int64_t planes = in[0].shape[0] * in[0].shape[1];
  if (op.kind == PoolingKind::kAverage) return average_pool(op, axes, planes, in[0], out[0]);
  switch (in[0].type) {
    case DataType::kInt8: return max_pool<int8_t>(axes, planes, in[0], out[0]);
    case DataType::kUInt8: return max_pool<uint8_t>(axes, planes, in[0], out[0]);
    case DataType::kInt32: return max_pool<int32_t>(axes, planes, in[0], out[0]);
    case DataType::kInt64: return max_pool<int64_t>(axes, planes, in[0], out[0]);
    default: return max_pool<float>(axes, planes, in[0], out[0]);
  }
}

}  // namespace octile
