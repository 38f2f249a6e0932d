// Convolution: shape rule and plain float sum (window_sum.h says in which order); of int32 operands
// an int32 sum, modulo 2^32.
#include "ops/window_sum.h"

namespace octile {
namespace {

void require_channels(const Convolution& op, Infos in) {
  const int64_t channels = in[0].shape[1], rows = in[1].shape[0], per_group = in[1].shape[1];
  check(op.groups >= 1, ErrorCode::kInvalidArgument, "groups is {}, but must be at least 1",
        op.groups);
  check(rows == kDynamic || rows % op.groups == 0, ErrorCode::kInvalidArgument,
        "weights {} have {} output channels, which groups={} does not divide",
        in[1].shape.to_string(), rows, op.groups);
  if (channels == kDynamic || per_group == kDynamic) return;
  Shape fitting = in[1].shape;
  fitting[1] = channels / op.groups;
  check(channels == per_group * op.groups, ErrorCode::kInvalidArgument,
        "input has {} channels but weights {} with groups={} need {}; {}", channels,
        in[1].shape.to_string(), op.groups, per_group * op.groups,
        channels % op.groups == 0
            ? fmt::format("give weights of shape {} or change groups", fitting.to_string())
            : std::string("choose groups so that it divides the channels"));
}

/// Input values of consecutive output pixels at one kernel position, row by row of the image.
void stage_convolution(const WindowAxes& axes, const float* plane, const Term& term, int64_t first,
                       int64_t pixels, float* row) {
  const int64_t out_w = axes.out[2], in_w = axes.in[2], stride = axes.stride[2];
  int64_t ow = first % out_w;
  int64_t oh = first / out_w % axes.out[1];
  int64_t od = first / (out_w * axes.out[1]);
  for (int64_t done = 0; done < pixels;) {
    const int64_t run = std::min(pixels - done, out_w - ow);
    const int64_t id = od * axes.stride[0] + term.at[0] * axes.dilation[0] - axes.before[0];
    const int64_t ih = oh * axes.stride[1] + term.at[1] * axes.dilation[1] - axes.before[1];
    const int64_t iw = ow * stride + term.at[2] * axes.dilation[2] - axes.before[2];
    float* to = row + done;
    if (id < 0 || id >= axes.in[0] || ih < 0 || ih >= axes.in[1]) {
      std::fill_n(to, run, 0.0f);
    } else {
      const float* from = plane + (id * axes.in[1] + ih) * in_w;
      const int64_t skip = iw >= 0 ? 0 : std::min(run, (-iw + stride - 1) / stride);
      const int64_t stop =
          iw >= in_w ? skip : std::max(skip, std::min(run, (in_w - 1 - iw) / stride + 1));
      std::fill_n(to, skip, 0.0f);
      if (stride == 1) {
        std::copy(from + iw + skip, from + iw + stop, to + skip);
      } else {
        for (int64_t t = skip; t < stop; ++t) to[t] = from[iw + t * stride];
      }
      std::fill_n(to + stop, run - stop, 0.0f);
    }
    done += run;
    ow = 0;
    if (++oh == axes.out[1]) oh = 0, ++od;
  }
}

/// y[pixel] += w · x[input pixel at one kernel position], all output pixels of a plane.
void add_tap(const WindowAxes& axes, const std::array<int64_t, 3>& at, const int32_t* x, int32_t w,
             int32_t* y) {
  std::array<int64_t, 3> offset{};
  for (size_t a = 0; a < 3; ++a) offset[a] = at[a] * axes.dilation[a] - axes.before[a];
  for (int64_t od = 0; od < axes.out[0]; ++od) {
    const int64_t id = od * axes.stride[0] + offset[0];
    if (id < 0 || id >= axes.in[0]) continue;
    for (int64_t oh = 0; oh < axes.out[1]; ++oh) {
      const int64_t ih = oh * axes.stride[1] + offset[1];
      if (ih < 0 || ih >= axes.in[1]) continue;
      const int32_t* row = x + (id * axes.in[1] + ih) * axes.in[2];
      int32_t* sums = y + (od * axes.out[1] + oh) * axes.out[2];
      for (int64_t ow = 0; ow < axes.out[2]; ++ow) {
        const int64_t iw = ow * axes.stride[2] + offset[2];
        if (iw < 0 || iw >= axes.in[2]) continue;
        sums[ow] = static_cast<int32_t>(static_cast<uint32_t>(sums[ow]) +
                                        static_cast<uint32_t>(w) * static_cast<uint32_t>(row[iw]));
      }
    }
  }
}

/// int32 operands, one output plane after the other.
void convolve_integers(const Convolution& op, Views in, Outs out) {
  const Shape& x = in[0].shape;
  const WindowAxes axes = window_axes(op.window, x, out[0].shape);
  const int64_t maps = out[0].shape[1], rows = maps / op.groups, channels = x[1] / op.groups;
  const int64_t taps = axes.kernel_volume(), work = channels * taps * axes.out_volume();
  parallel_for(x[0] * maps, grain_for(work), [&](int64_t begin, int64_t end, int) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t map = plane % maps, first = plane / maps * x[1] + map / rows * channels;
      int32_t* y = out[0].as<int32_t>() + plane * axes.out_volume();
      std::fill_n(y, axes.out_volume(), in.size() > 2 ? in[2].as<int32_t>()[map] : 0);
      const int32_t* w = in[1].as<int32_t>() + map * channels * taps;
      Term term;
      for (int64_t i = 0; i < channels * taps; ++i, term.next(axes.kernel)) {
        const int32_t* from = in[0].as<int32_t>() + (first + term.channel) * axes.in_volume();
        add_tap(axes, term.at, from, w[i], y);
      }
    }
  });
}

}  // namespace

Inferred infer_op(const Convolution& op, Infos in) {
  require_inputs(in, {"x", "weights", "bias"}, 1);
  require_type(in, 0, {DataType::kFloat32, DataType::kInt32});
  require_same_types(in);
  const Shape spatial = require_image(in[0]);
  const Shape& weights = in[1].shape;
  check(weights.rank() == in[0].shape.rank(), ErrorCode::kInvalidArgument,
        "input {} and weights {} differ in rank; weights are (M, C/groups, kernel…)",
        in[0].shape.to_string(), weights.to_string());
  require_window(op.window, spatial.rank());
  for (int axis = 0; axis < spatial.rank(); ++axis) {
    check(may_equal(weights[axis + 2], op.window.kernel[static_cast<size_t>(axis)]),
          ErrorCode::kInvalidArgument, "kernel [{}] differs from that of the weights {}",
          listed(op.window.kernel), weights.to_string());
  }
  require_channels(op, in);
  for (int axis = 0; axis < weights.rank(); ++axis) {
    check(weights[axis] != 0, ErrorCode::kInvalidArgument, "weights {} hold no element",
          weights.to_string());
  }
  if (in.size() > 2) {
    check(in[2].shape.rank() == 1 && may_equal(in[2].shape[0], weights[0]),
          ErrorCode::kInvalidArgument, "bias has shape {}, but weights {} need ({})",
          in[2].shape.to_string(), weights.to_string(), weights[0]);
  }
  Shape out{in[0].shape[0], weights[0]};
  for (int64_t extent : window_output(op.window, spatial)) out.push_back(extent);
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const Convolution& op, Views in, Outs out) {
  if (in[0].type == DataType::kInt32) return convolve_integers(op, in, out);
  const Shape& x = in[0].shape;
  const WindowAxes axes = window_axes(op.window, x, out[0].shape);
  const int64_t rows = out[0].shape[1] / op.groups, channels = x[1] / op.groups;
  const int64_t terms = channels * axes.kernel_volume();
  const float* weights = in[1].as<float>();
  const WindowSum sum{axes,
                      x[0],
                      op.groups,
                      channels,
                      rows,
                      in[0].as<float>(),
                      in.size() > 2 ? in[2].as<float>() : nullptr,
                      out[0].as<float>()};
  window_sum(sum, stage_convolution,
             [&](int64_t group, int64_t row, int64_t first, int64_t, float*) {
               return weights + (group * rows + row) * terms + first;
             });
}

}  // namespace octile
