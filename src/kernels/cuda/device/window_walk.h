// The windows of a tile's rows, as the tensor copy engine brings them: one line of channels of one
// kernel tap at a time, or of a matrix's rows.
#pragma once

#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/device/tma.h"

namespace octile::cuda {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

struct WindowWalk {
  int channel = 0, tap_w = 0, tap_h = 0;
  int n = 0, h = 0, w = 0;  // of the tile's first window

  /// At the first line of the tile that begins with output row `first`.
  __device__ __forceinline__ void begin(const ConvParams& p, bool by_pixels, int first) {
    channel = 0, tap_w = 0, tap_h = 0;
    if (!by_pixels) return;
    uint32_t image, pixel, y, x;
    p.image.split(static_cast<uint32_t>(first), image, pixel);
    p.line.split(pixel, y, x);
    n = static_cast<int>(image);
    h = static_cast<int>(y) * p.stride_h - p.pad_top;
    w = static_cast<int>(x) * p.stride_w - p.pad_left;
  }

  /// Starts the copy of this line of the tile that begins with output row `row`, and moves on;
  /// channels: of a tap, whole lines.
  __device__ __forceinline__ void copy(const ConvParams& p, bool by_pixels, int row, int line,
                                       int channels, void* s_target, const CUtensorMap* map,
                                       uint64_t* s_barrier) {
    if (by_pixels) {
      copy_pixels(s_target, map, channel, w, h, n, tap_w * p.dilation_w, tap_h * p.dilation_h,
                  s_barrier);
    } else {
      copy_box(s_target, map, channel, row, s_barrier);
    }
    channel += line;
    if (channel < channels) return;
    channel = 0;
    if (++tap_w == p.kernel_w) tap_w = 0, ++tap_h;
  }
};

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

}  // namespace octile::cuda
