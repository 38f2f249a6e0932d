// Window arithmetic: output extents and paddings in every mode; see ops.h and window.h.
#include "ops/window.h"

#include <algorithm>

namespace octile {
namespace {

void require_list(const std::vector<int64_t>& list, int rank, int64_t least,
                  std::string_view name) {
  if (list.empty()) return;
  check(static_cast<int>(list.size()) == rank, ErrorCode::kInvalidArgument,
        "{} has {} entries, but the image has {} spatial axes; give one entry an axis", name,
        list.size(), rank);
  for (int64_t value : list) {
    check(value >= least && value <= kMostExtent, ErrorCode::kInvalidArgument,
          "{} [{}] has an entry out of range; the least is {}", name, listed(list), least);
  }
}

/// One axis of window_output(); `in` is known.
int64_t output_extent(const Window& window, int axis, int64_t in) {
  const int64_t stride = entry(window.stride, axis, 1);
  if (window.mode == PaddingMode::kSameUpper || window.mode == PaddingMode::kSameLower) {
    return (in + stride - 1) / stride;
  }
  const int64_t before = entry(window.pad_before, axis, 0);
  const int64_t room =
      in + before + entry(window.pad_after, axis, 0) - dilated_kernel(window, axis);
  check(room >= 0, ErrorCode::kInvalidArgument,
        "on spatial axis {} the window covers {} elements but the padded input has only {}; make "
        "the kernel smaller or the padding larger",
        axis, dilated_kernel(window, axis), room + dilated_kernel(window, axis));
  if (window.mode == PaddingMode::kExplicit) return room / stride + 1;
  const int64_t out = (room + stride - 1) / stride + 1;
  // A window must start on the image or on the padding before it (ONNX, PyTorch).
  return (out - 1) * stride >= in + before ? out - 1 : out;
}

WindowAxes axes_without_padding(const Window& window, const Shape& in, const Shape& out) {
  WindowAxes axes;
  const int rank = in.rank() - 2;
  for (int axis = 0; axis < rank; ++axis) {
    const auto slot = static_cast<size_t>(3 - rank + axis);
    axes.in[slot] = in[axis + 2];
    axes.out[slot] = out[axis + 2];
    axes.kernel[slot] = entry(window.kernel, axis, 1);
    axes.stride[slot] = entry(window.stride, axis, 1);
    axes.dilation[slot] = entry(window.dilation, axis, 1);
  }
  return axes;
}

}  // namespace

void require_window(const Window& window, int spatial_rank) {
  check(!window.kernel.empty(), ErrorCode::kInvalidArgument,
        "the window has no kernel; give one extent a spatial axis ({})", spatial_rank);
  require_list(window.kernel, spatial_rank, 1, "kernel");
  require_list(window.stride, spatial_rank, 1, "stride");
  require_list(window.dilation, spatial_rank, 1, "dilation");
  require_list(window.pad_before, spatial_rank, 0, "pad_before");
  require_list(window.pad_after, spatial_rank, 0, "pad_after");
}

Shape require_image(const TensorInfo& x) {
  const int rank = x.shape.rank();
  check(rank >= 3 && rank <= 5, ErrorCode::kInvalidArgument,
        "the input has shape {}, but it must be (N, C, one to three spatial axes); reshape it",
        x.shape.to_string());
  Shape spatial;
  for (int axis = 2; axis < rank; ++axis) spatial.push_back(x.shape[axis]);
  return spatial;
}

Shape window_output(const Window& window, const Shape& spatial_in) {
  Shape out;
  for (int axis = 0; axis < spatial_in.rank(); ++axis) {
    const int64_t in = spatial_in[axis];
    out.push_back(in == kDynamic ? kDynamic : output_extent(window, axis, in));
  }
  return out;
}

std::pair<int64_t, int64_t> window_padding(const Window& window, int axis, int64_t extent_in) {
  if (window.mode == PaddingMode::kExplicit || window.mode == PaddingMode::kCeil) {
    return {entry(window.pad_before, axis, 0), entry(window.pad_after, axis, 0)};
  }
  const int64_t stride = entry(window.stride, axis, 1);
  const int64_t out = (extent_in + stride - 1) / stride;
  const int64_t total =
      std::max<int64_t>(0, (out - 1) * stride + dilated_kernel(window, axis) - extent_in);
  const int64_t less = total / 2, more = total - less;
  return window.mode == PaddingMode::kSameUpper ? std::pair{less, more} : std::pair{more, less};
}

std::pair<int64_t, int64_t> deconvolution_padding(const Deconvolution& op, int axis,
                                                  int64_t extent_in) {
  const Window& window = op.window;
  if (window.mode == PaddingMode::kExplicit || window.mode == PaddingMode::kCeil) {
    return {entry(window.pad_before, axis, 0), entry(window.pad_after, axis, 0)};
  }
  const int64_t stride = entry(window.stride, axis, 1);
  const int64_t full =
      stride * (extent_in - 1) + dilated_kernel(window, axis) + entry(op.output_padding, axis, 0);
  const int64_t total = std::max<int64_t>(0, full - stride * extent_in);
  const int64_t less = total / 2, more = total - less;
  return window.mode == PaddingMode::kSameUpper ? std::pair{less, more} : std::pair{more, less};
}

Window normalized(const Window& window, int spatial_rank) {
  Window full = window;
  const auto fill = [&](std::vector<int64_t>& list, int64_t value) {
    if (list.empty()) list.assign(static_cast<size_t>(spatial_rank), value);
  };
  fill(full.kernel, 1);
  fill(full.stride, 1);
  fill(full.dilation, 1);
  fill(full.pad_before, 0);
  fill(full.pad_after, 0);
  return full;
}

WindowAxes window_axes(const Window& window, const Shape& in, const Shape& out) {
  WindowAxes axes = axes_without_padding(window, in, out);
  const int rank = in.rank() - 2;
  for (int axis = 0; axis < rank; ++axis) {
    const auto slot = static_cast<size_t>(3 - rank + axis);
    std::tie(axes.before[slot], axes.after[slot]) = window_padding(window, axis, in[axis + 2]);
  }
  return axes;
}

WindowAxes deconvolution_axes(const Deconvolution& op, const Shape& in, const Shape& out) {
  WindowAxes axes = axes_without_padding(op.window, in, out);
  const int rank = in.rank() - 2;
  for (int axis = 0; axis < rank; ++axis) {
    const auto slot = static_cast<size_t>(3 - rank + axis);
    std::tie(axes.before[slot], axes.after[slot]) = deconvolution_padding(op, axis, in[axis + 2]);
  }
  return axes;
}

}  // namespace octile
