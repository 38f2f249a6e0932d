// See geometry.h.
#include "plan/geometry.h"

#include "arithmetic/quantize.h"
#include "ops/ops.h"

namespace octile {
namespace {

/// 3-d images (N, C, W) become (N, C, 1, W).
Shape image(const Shape& shape) {
  return shape.rank() == 3 ? Shape{shape[0], shape[1], 1, shape[2]} : shape;
}

void set_extents(Geometry& g, const Shape& input, const Shape& output) {
  const Shape in = image(input), out = image(output);
  g.n = in[0];
  g.c = g.pixel = in[1];
  g.h = in[2];
  g.w = in[3];
  g.m = out[1];
  g.out_h = out[2];
  g.out_w = out[3];
}

void set_window(Geometry& g, const Window& window) {
  g.kernel_h = window.kernel[0];
  g.kernel_w = window.kernel[1];
  g.stride_h = window.stride[0];
  g.stride_w = window.stride[1];
  g.dilation_h = window.dilation[0];
  g.dilation_w = window.dilation[1];
  const auto [top, bottom] = window_padding(window, 0, g.h);
  const auto [left, right] = window_padding(window, 1, g.w);
  g.pad_top = top;
  g.pad_bottom = bottom;
  g.pad_left = left;
  g.pad_right = right;
}

}  // namespace

Geometry geometry_of(const ConvStep& step, const Shape& input, const Shape& output) {
  Geometry g;
  g.groups = step.groups;
  if (step.rows) {
    const int64_t k = input[input.rank() - 1];
    g.n = k > 0 ? input.volume() / k : 0;
    g.c = g.pixel = k;
    g.m = output[output.rank() - 1];
    return g;
  }
  set_extents(g, input, output);
  set_window(g, step.window);
  return g;
}

Geometry geometry_of(const ConvStep& step, const PlanTensor& input, const PlanTensor& output) {
  Geometry g = geometry_of(step, input.shape, output.shape);
  if (input.row_stride > 0) g.pixel = input.row_stride;
  return g;
}

Geometry geometry_of(const PoolStep& step, const Shape& input, const Shape& output) {
  Geometry g;
  set_extents(g, input, output);
  if (step.global) {
    g.kernel_h = g.h;
    g.kernel_w = g.w;
  } else {
    set_window(g, step.window);
  }
  return g;
}

bool window_sums_fit(const PoolStep& step, const Shape& input, const Shape& output) {
  const Geometry g = geometry_of(step, input, output);
  return step.kind == PoolingKind::kMax || sum_fits(g.kernel_h * g.kernel_w, 255);
}

}  // namespace octile
