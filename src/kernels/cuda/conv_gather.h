// Where the rows of an implicit gemm come from: the windows of output pixels, read as runs of
// bytes. A run is the channels of one tap (or, for few channels, a whole kernel row: the taps lie
// side by side in memory); each run takes a multiple of 16 bytes of K, zeros in the weights behind.
#pragma once

#include <cstring>

#include "base/host_device.h"
#include "kernels/cuda/conv_params.h"

namespace octile::cuda {

inline constexpr int kGatherLine = 64;  // bytes of K a stage

/// Where a 16-byte chunk of a stage's line lies: swizzled, as wgmma and ldmatrix without bank
/// conflicts want it.
OCTILE_HOST_DEVICE inline uint32_t chunk_offset(int line, int chunk) {
  return static_cast<uint32_t>(line * kGatherLine + ((chunk ^ (line >> 1 & 3)) << 4));
}

// ---- the host side ------------------------------------------------------------------------------

inline bool has_merged_runs(const ConvProblem& p) {
  return p.in_c % 4 != 0 && p.in_c < 16 && p.dilation_w == 1 && p.kernel_w > 1;
}
inline int32_t run_count(const ConvProblem& p) {
  return has_merged_runs(p) ? p.kernel_h : p.kernel_h * p.kernel_w;
}
inline int32_t run_length(const ConvProblem& p) {
  return has_merged_runs(p) ? p.kernel_w * p.in_c : p.in_c;
}
inline int32_t run_bytes(const ConvProblem& p) { return (run_length(p) + 15) / 16 * 16; }

/// K of `k_step` bytes a step, columns in multiples of `columns`.
inline PackedLayout gather_layout(const ConvProblem& p, int columns, int k_step) {
  return {(p.out_c + columns - 1) / columns * columns,
          (int64_t{run_count(p)} * run_bytes(p) + k_step - 1) / k_step * k_step};
}

inline void set_gather(ConvParams& params, const ConvProblem& p) {
  params.run_bytes = run_bytes(p), params.merged = has_merged_runs(p);
}

// ---- the device side ----------------------------------------------------------------------------

#ifdef __CUDACC__

/// The window of one output pixel.
struct WindowRow {
  const uint8_t* image;
  int h, w;  // of its first tap

  __device__ __forceinline__ void set(const ConvParams& p, int row) {
    const RowPixel pixel(p, min(row, p.tail.rows - 1));
    image = p.x + static_cast<int64_t>(pixel.image) * p.in_h * p.in_w * p.in_c;
    h = static_cast<int>(pixel.y) * p.stride_h - p.pad_top;
    w = static_cast<int>(pixel.x) * p.stride_w - p.pad_left;
  }
};

/// A place in K: the byte c of the run of tap (kh, kw).
struct RunPlace {
  int kh, kw, c;

  __device__ __forceinline__ void set(const ConvParams& p, int byte) {
    const int runs_of_line = p.merged != 0 ? 1 : p.kernel_w;
    const int run = byte / p.run_bytes;
    c = byte % p.run_bytes, kw = run % runs_of_line, kh = run / runs_of_line;
  }
  __device__ __forceinline__ void advance(const ConvParams& p, int bytes) {
    c += bytes;
    while (c >= p.run_bytes) {
      c -= p.run_bytes;
      if (++kw >= p.kernel_w || p.merged != 0) kw = 0, ++kh;
    }
  }
};

/// The tap that a place names, in one window.
struct Tap {
  const uint8_t* source;  // of channel 0
  int x;
  bool in_line, in_image;

  __device__ __forceinline__ Tap(const ConvParams& p, const WindowRow& row, const RunPlace& at) {
    const int y = row.h + at.kh * p.dilation_h;
    x = row.w + at.kw * p.dilation_w;
    in_line = static_cast<unsigned>(y) < static_cast<unsigned>(p.in_h);
    in_image = in_line && static_cast<unsigned>(x) < static_cast<unsigned>(p.in_w);
    source = row.image + (y * p.in_w + x) * p.in_c;
  }
};

/// 16 bytes by single ones, for any channel count; what lies on the padding is z_x.
__device__ __forceinline__ uint4 load_bytewise(const ConvParams& p, const Tap& tap, int c) {
  int first = 0, last = tap.in_image ? p.in_c : 0;
  if (p.merged != 0) {  // the kernel's row is one run of bytes, cut where the image ends
    first = max(0, -tap.x * p.in_c);
    last = tap.in_line ? min(p.kernel_w * p.in_c, (p.in_w - tap.x) * p.in_c) : 0;
  }
  uint32_t words[4];
#pragma unroll
  for (int b = 0; b < 16; ++b) {
    const int at = c + b;
    const uint32_t byte = at >= first && at < last ? tap.source[at] : p.border[0];
    words[b / 4] = b % 4 == 0 ? byte : words[b / 4] | byte << (8 * (b % 4));
  }
  return make_uint4(words[0], words[1], words[2], words[3]);
}

/// 16 bytes of a window. kVector: bytes of one load; 16 and 4 want as many to divide in_c.
template <int kVector>
__device__ __forceinline__ uint4 load_chunk(const ConvParams& p, const WindowRow& row,
                                            const RunPlace& at) {
  const Tap tap(p, row, at);
  if constexpr (kVector == 16) {
    return *reinterpret_cast<const uint4*>(tap.in_image ? tap.source + at.c : p.border);
  } else if constexpr (kVector == 4) {
    uint32_t words[4];
#pragma unroll
    for (int b = 0; b < 4; ++b) {
      const int c = at.c + 4 * b;
      words[b] = *reinterpret_cast<const uint32_t*>(tap.in_image && c < p.in_c ? tap.source + c
                                                                               : p.border);
    }
    return make_uint4(words[0], words[1], words[2], words[3]);
  } else {
    return load_bytewise(p, tap, at.c);
  }
}

#endif  // __CUDACC__

}  // namespace octile::cuda
