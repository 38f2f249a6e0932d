// Deconvolution (transposed convolution): shape rule and plain float sum, seen from the output:
// y[o] = Σ_c Σ_k x[c][(o + before − k·dilation) / stride] · w[c][m][k] where that is whole.
#include "ops/window_sum.h"

namespace octile {
namespace {

Shape spatial_output(const Deconvolution& op, const Shape& spatial) {
  Shape out;
  for (int axis = 0; axis < spatial.rank(); ++axis) {
    const int64_t in = spatial[axis], stride = entry(op.window.stride, axis, 1);
    check(in_reach(in), ErrorCode::kInvalidArgument, "spatial extent {} is out of range", in);
    if (in == kDynamic) {
      out.push_back(kDynamic);
    } else if (op.window.mode == PaddingMode::kSameUpper ||
               op.window.mode == PaddingMode::kSameLower) {
      out.push_back(in * stride);
    } else {
      const auto [before, after] = deconvolution_padding(op, axis, in);
      out.push_back(stride * (in - 1) + dilated_kernel(op.window, axis) - before - after +
                    entry(op.output_padding, axis, 0));
      check(out[axis] >= 1, ErrorCode::kInvalidArgument,
            "on spatial axis {} the output extent would be {}; reduce the padding", axis,
            out[axis]);
    }
  }
  return out;
}

void require_channels(const Deconvolution& op, Infos in) {
  const int64_t channels = in[0].shape[1];
  check(op.groups >= 1, ErrorCode::kInvalidArgument, "groups is {}, but must be at least 1",
        op.groups);
  check(may_equal(channels, in[1].shape[0]), ErrorCode::kInvalidArgument,
        "input has {} channels but weights {} are for {}; weights are (C, M/groups, kernel…)",
        channels, in[1].shape.to_string(), in[1].shape[0]);
  check(in[1].shape[0] == kDynamic || in[1].shape[0] % op.groups == 0, ErrorCode::kInvalidArgument,
        "groups={} does not divide the {} input channels", op.groups, in[1].shape[0]);
}

/// The input index that output `o` meets at kernel position `k`, or −1.
int64_t source(int64_t o, int64_t k, const WindowAxes& axes, size_t axis) {
  const int64_t reach = o + axes.before[axis] - k * axes.dilation[axis];
  if (reach < 0 || reach % axes.stride[axis] != 0) return -1;
  const int64_t i = reach / axes.stride[axis];
  return i < axes.in[axis] ? i : -1;
}

void stage_deconvolution(const WindowAxes& axes, const float* plane, const Term& term,
                         int64_t first, int64_t pixels, float* row) {
  int64_t ow = first % axes.out[2];
  int64_t oh = first / axes.out[2] % axes.out[1];
  int64_t od = first / (axes.out[2] * axes.out[1]);
  int64_t id = source(od, term.at[0], axes, 0), ih = source(oh, term.at[1], axes, 1);
  for (int64_t t = 0; t < pixels; ++t) {
    const int64_t iw = source(ow, term.at[2], axes, 2);
    const bool hit = id >= 0 && ih >= 0 && iw >= 0;
    row[t] = hit ? plane[(id * axes.in[1] + ih) * axes.in[2] + iw] : 0.0f;
    if (++ow < axes.out[2]) continue;
    ow = 0;
    if (++oh == axes.out[1]) oh = 0, ++od;
    id = source(od, term.at[0], axes, 0);
    ih = source(oh, term.at[1], axes, 1);
  }
}

}  // namespace

Inferred infer_op(const Deconvolution& op, Infos in) {
  require_inputs(in, {"x", "weights", "bias"}, 1);
  for (int i = 0; i < static_cast<int>(in.size()); ++i) require_type(in, i, {DataType::kFloat32});
  const Shape spatial = require_image(in[0]);
  const Shape& weights = in[1].shape;
  check(weights.rank() == in[0].shape.rank(), ErrorCode::kInvalidArgument,
        "input {} and weights {} differ in rank; weights are (C, M/groups, kernel…)",
        in[0].shape.to_string(), weights.to_string());
  require_window(op.window, spatial.rank());
  for (int axis = 0; axis < spatial.rank(); ++axis) {
    check(may_equal(weights[axis + 2], op.window.kernel[static_cast<size_t>(axis)]),
          ErrorCode::kInvalidArgument, "kernel [{}] differs from that of the weights {}",
          listed(op.window.kernel), weights.to_string());
  }
  check(op.output_padding.empty() || static_cast<int>(op.output_padding.size()) == spatial.rank(),
        ErrorCode::kInvalidArgument, "output_padding needs one entry a spatial axis");
  for (int64_t extra : op.output_padding) {
    check(extra >= 0 && extra <= kMostExtent, ErrorCode::kInvalidArgument,
          "output_padding {} is out of range; it must not be negative", extra);
  }
  require_channels(op, in);
  const int64_t rows = weights[1] == kDynamic ? kDynamic : weights[1] * op.groups;
  if (in.size() > 2) {
    check(in[2].shape.rank() == 1 && may_equal(in[2].shape[0], rows), ErrorCode::kInvalidArgument,
          "bias has shape {}, but weights {} with groups={} need ({})", in[2].shape.to_string(),
          weights.to_string(), op.groups, rows);
  }
  Shape out{in[0].shape[0], rows};
  for (int64_t extent : spatial_output(op, spatial)) out.push_back(extent);
  return {{DataType::kFloat32, out, nullptr}};
}

void evaluate_op(const Deconvolution& op, Views in, Outs out) {
  const Shape& x = in[0].shape;
  const WindowAxes axes = deconvolution_axes(op, x, out[0].shape);
  const int64_t rows = out[0].shape[1] / op.groups, channels = x[1] / op.groups;
  const int64_t positions = axes.kernel_volume();
  const float* weights = in[1].as<float>();
  const WindowSum sum{axes,
                      x[0],
                      op.groups,
                      channels,
                      rows,
                      in[0].as<float>(),
                      in.size() > 2 ? in[2].as<float>() : nullptr,
                      out[0].as<float>()};
  window_sum(sum, stage_deconvolution,
             [&](int64_t group, int64_t row, int64_t first, int64_t count, float* buffer) {
               for (int64_t k = 0; k < count; ++k) {
                 const int64_t channel = group * channels + (first + k) / positions;
                 buffer[k] = weights[(channel * rows + row) * positions + (first + k) % positions];
               }
               return static_cast<const float*>(buffer);
             });
}

}  // namespace octile
