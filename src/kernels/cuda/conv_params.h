// What every convolution kernel gets: the problem in the numbers that device code wants, and where
// things lie in the packed bytes.
//
//   packed: bias int32 [columns] | multiplier float [columns] | border (64 bytes of z_x) | weights
//
// `columns` is out_c rounded up to the row's own tile. A border line is what a tap on the padding
// reads, so that padding costs nothing but the choice of an address.
#pragma once

#include <cstdint>

#include "kernels/cuda/conv_kernel.h"

namespace octile::cuda {

inline constexpr int kBorderBytes = 64;

/// n / d and n % d for 0 ≤ n < 2^31 by one multiplication (d ≥ 1).
struct FastDivide {
  uint32_t divisor = 1, multiplier = 0, shift = 0;

  FastDivide() = default;
  explicit FastDivide(uint32_t d) : divisor(d) {
    if (d == 1) return;
    while ((uint64_t{1} << shift) < d) ++shift;
    // ceil(2^(31 + shift) / d) < 2^32: exact for n < 2^31 (Granlund and Montgomery, 1994)
    multiplier = static_cast<uint32_t>(((uint64_t{1} << (31 + shift)) + d - 1) / d);
  }
#ifdef __CUDACC__
  __device__ __forceinline__ void split(uint32_t n, uint32_t& quotient, uint32_t& rest) const {
    quotient = divisor == 1 ? n : __umulhi(2 * n, multiplier) >> shift;
    rest = n - quotient * divisor;
  }
#endif
};

/// What follows the sum. Float addends are exact: zero points are small integers.
struct ConvTail {
  const int32_t* bias = nullptr;      // (columns)
  const float* multiplier = nullptr;  // (columns)
  const uint8_t* residual = nullptr;  // (rows, out_c) or null
  void* y = nullptr;                  // (rows, out_c)
  int32_t rows = 0, out_c = 0;
  float lo = 0, hi = 0;  // 8-bit y: q_lo − z_y, q_hi − z_y
  int32_t y_zero_point = 0;
  ConvType y_type = ConvType::kS8;
  float residual_multiplier = 0;
  float residual_offset = 0;   // 2^23 + z_r (+ 128 if it is int8)
  uint32_t residual_flip = 0;  // 0x80808080 if it is int8: byte ^ 0x80 = value + 128
  int32_t store_bytes = 1;     // the widest store that out_c allows: 16, 8, 4 or 1
  int32_t saturating = 0;      // clamp and zero point are the 8-bit type's own saturation
};

struct ConvParams {
  const uint8_t* x = nullptr;
  const int8_t* weights = nullptr;
  const uint8_t* border = nullptr;
  int32_t in_h = 0, in_w = 0, in_c = 0, out_h = 0, out_w = 0;
  int32_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  int32_t dilation_h = 1, dilation_w = 1, pad_top = 0, pad_left = 0;
  int32_t columns = 0;    // of the packed weights
  int32_t k_bytes = 0;    // a packed column's length
  int32_t run_bytes = 0;  // of K that one step of (kh, kw) takes: round_up(in_c, ...)
  int32_t merged = 0;     // a run is a whole kernel row: kernel_w · in_c bytes
  int32_t splits = 1;     // of K
  int32_t* partial = nullptr;
  uint32_t* counters = nullptr;
  int32_t pools = 0;       // 1: rows are the pixels of 2 × 2, window by window
  FastDivide image, line;  // by out_h · out_w, by out_w; of windows
  ConvTail tail;
};

#ifdef __CUDACC__
/// The output pixel of a row.
struct RowPixel {
  uint32_t image, y, x;
  __device__ __forceinline__ RowPixel(const ConvParams& p, int row) {
    const auto at = static_cast<uint32_t>(row), s = static_cast<uint32_t>(p.pools);
    uint32_t place;
    p.image.split(at >> 2 * s, image, place);
    p.line.split(place, y, x);
    y = (y << s) + (at >> 1 & s), x = (x << s) + (at & s);
  }
};
#endif

/// Offsets within the packed bytes.
struct PackedLayout {
  int64_t columns, k_bytes;
  size_t multiplier() const { return static_cast<size_t>(columns) * 4; }
  size_t border() const { return static_cast<size_t>(columns) * 8; }
  size_t weights() const { return (border() + kBorderBytes + 255) / 256 * 256; }
  size_t bytes() const { return weights() + static_cast<size_t>(columns * k_bytes); }
};

/// Everything of the parameters that does not depend on the row's tile.
ConvParams conv_params(const ConvProblem&, const ConvOperands&, const PackedLayout&);

/// Writes bias, multiplier and border; columns from out_c on get zeros. Returns where the weights
/// go: `columns` · `k_bytes` zeros so far.
uint8_t* begin_packing(const ConvProblem&, const ConvWeights&, const PackedLayout&,
                       uint8_t* packed);

/// Of rows that need none.
size_t no_workspace(const ConvKernel&, const ConvProblem&, const ConvDevice&);

/// Columns are stored so that a lane's accumulators belong to 16 neighbouring channels: within each
/// 64, column 8j + 2t + e is channel 16t + 2j + e (t < 4: the lane's place in its quad).
inline int channel_of_column(int column) {
  const int within = column % 64;
  return column - within + within % 8 / 2 * 16 + within / 8 * 2 + within % 2;
}

/// Level, types and extents that every row asks for: "" or why not.
std::string refuse_common(const ConvKernel&, const ConvProblem&, const ConvDevice&);

/// Throws when the launch before failed.
void check_launch(const ConvKernel&);

}  // namespace octile::cuda
