// A Window resolved against concrete extents, always as three spatial axes (depth, height, width):
// images of fewer axes get leading ones of extent 1. What convolutions and poolings loop over.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "ops/families.h"

namespace octile {

struct WindowAxes {
  std::array<int64_t, 3> in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1};
  std::array<int64_t, 3> stride{1, 1, 1}, dilation{1, 1, 1}, before{0, 0, 0}, after{0, 0, 0};
  int64_t in_volume() const { return in[0] * in[1] * in[2]; }
  int64_t out_volume() const { return out[0] * out[1] * out[2]; }
  int64_t kernel_volume() const { return kernel[0] * kernel[1] * kernel[2]; }
};

/// Taps [begin, end) of one window on one axis: those on the image.
struct Taps {
  int64_t start, begin, end;  // input index of tap 0 (may be negative); taps on the image
};

inline Taps taps_of(const WindowAxes& axes, size_t axis, int64_t out) {
  const int64_t start = out * axes.stride[axis] - axes.before[axis], step = axes.dilation[axis];
  const int64_t begin = start >= 0 ? 0 : (-start + step - 1) / step;
  const int64_t room = axes.in[axis] - start;
  const int64_t end = room <= 0 ? 0 : std::min(axes.kernel[axis], (room - 1) / step + 1);
  return {start, begin, std::max(begin, end)};
}

/// `in` and `out` are (N, C, spatial…), static. Paddings are resolved by window_padding().
WindowAxes window_axes(const Window& window, const Shape& in, const Shape& out);
/// The same for a deconvolution, whose paddings are deconvolution_padding()'s.
WindowAxes deconvolution_axes(const Deconvolution& op, const Shape& in, const Shape& out);

/// Padding {before, after} that a deconvolution crops on one spatial axis. kSame*: out = stride·in
/// (ONNX auto_pad), the odd element after / before.
std::pair<int64_t, int64_t> deconvolution_padding(const Deconvolution& op, int axis,
                                                  int64_t extent_in);

/// list[axis], or `otherwise` when the list is empty.
inline int64_t entry(const std::vector<int64_t>& list, int axis, int64_t otherwise) {
  return list.empty() ? otherwise : list[static_cast<size_t>(axis)];
}
inline int64_t dilated_kernel(const Window& window, int axis) {
  return entry(window.dilation, axis, 1) * (entry(window.kernel, axis, 1) - 1) + 1;
}

/// Throws unless every list has `spatial_rank` entries (or none, where that has a meaning) and the
/// entries are in range.
void require_window(const Window& window, int spatial_rank);
/// The image's spatial extents, after checking that it is (N, C, 1 to 3 axes).
Shape require_image(const TensorInfo& x);

}  // namespace octile
