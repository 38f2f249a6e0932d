// The NEON tile, with and without dot products: rows × 16 columns. Leaf files alone include this,
// each with its Dot:
//   Sum: what four columns add up in
//   Sum add(Sum, int8x16_t x, int8x16_t w): x is the same four bytes four times, w has four values
//     of k for each of four columns
//   int32x4_t total(Sum)
#pragma once

#include <arm_neon.h>

#include "kernels/cpu/gemm_kernel.h"
#include "kernels/cpu/round_neon_leaf.h"

namespace octile {
namespace {

/// One output row of a tile: where its tables, residual and outputs are.
struct NeonRow {
  const int32_t* bias;
  const float* scale;
  const uint8_t* residual;
  uint8_t* out;
};

inline NeonRow row_of(const GemmShape& s, const GemmCall& c, int64_t row) {
  return {c.bias + row * s.table_stride, c.scale + row * s.table_stride,
          s.residual ? c.residual + row * s.residual_stride : nullptr, c.out + row * s.out_stride};
}

inline float32x4_t scaled(const NeonRow& row, int v, int32x4_t sum) {
  sum = vaddq_s32(sum, vld1q_s32(row.bias + 4 * v));
  return vmulq_f32(vcvtq_f32_s32(sum), vld1q_f32(row.scale + 4 * v));
}

/// The bytes of a row's `n` columns.
template <int kVectors>
inline uint8x16_t load_columns(const uint8_t* x, int64_t n) {
  if (n < 4 * kVectors) return load_first(x, n);
  return kVectors == 4 ? vld1q_u8(x) : vcombine_u8(vld1_u8(x), vdup_n_u8(0));
}

template <int kVectors>
inline void store_columns(uint8x16_t bytes, int64_t n, uint8_t* y) {
  if (n < 4 * kVectors) return store_first(bytes, n, y);
  kVectors == 4 ? vst1q_u8(y, bytes) : vst1_u8(y, vget_low_u8(bytes));
}

template <int kVectors>
inline void store_bytes(const GemmShape& s, const NeonRow& row, const int32x4_t* sums) {
  uint8x16_t residual = vdupq_n_u8(0);
  if (s.residual) residual = load_columns<kVectors>(row.residual, s.n);
  const int32x4x4_t wide = s.residual_signed ? widen<true>(residual) : widen<false>(residual);
  int32x4_t q[4] = {};
  for (int v = 0; v < kVectors; ++v) {
    float32x4_t y = scaled(row, v, sums[v]);
    if (s.residual) {
      const float32x4_t r = vcvtq_f32_s32(vsubq_s32(wide.val[v], vdupq_n_s32(s.residual_zero)));
      y = vaddq_f32(y, vmulq_f32(r, vdupq_n_f32(s.residual_multiplier)));
    }
    q[v] = rounded(y, s.lo, s.hi, s.zero);
  }
  store_columns<kVectors>(low_bytes(q[0], q[1], q[2], q[3]), s.n, row.out);
}

template <int kVectors>
inline void store_floats(const GemmShape& s, const float* addend, const NeonRow& row,
                         const int32x4_t* sums) {
  auto* out = reinterpret_cast<float*>(row.out);
  for (int v = 0; v < kVectors; ++v) {
    const int n = s.n - 4 * v;
    if (n <= 0) return;
    float32x4_t y = scaled(row, v, sums[v]);
    float lanes[4] = {};
    if (s.addend) {
      for (int i = 0; i < 4 && i < n; ++i) lanes[i] = addend[4 * v + i];
      y = vaddq_f32(y, vld1q_f32(lanes));
    }
    y = vminq_f32(vmaxnmq_f32(y, vdupq_n_f32(s.lo)), vdupq_n_f32(s.hi));
    vst1q_f32(lanes, y);
    for (int i = 0; i < 4 && i < n; ++i) out[4 * v + i] = lanes[i];
  }
}

/// The sums of kRows rows from `x` on.
template <typename Dot, int kRows, int kVectors>
inline void multiply(const GemmShape& s, const uint8_t* x, const int8_t* w,
                     typename Dot::Sum (&sum)[kRows][kVectors]) {
  const uint8_t* base[kRows];
  for (int r = 0; r < kRows; ++r) base[r] = x + s.row_offset[r];
  for (int64_t segment = 0; segment < s.segments; ++segment) {
    const int64_t offset = s.segment_offset[segment];
    for (int64_t g = 0; g < s.groups; ++g, w += 16 * kVectors) {
      int8x16_t columns[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) columns[v] = vld1q_s8(w + 16 * v);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        int32_t four;
        __builtin_memcpy(&four, base[r] + offset + 4 * g, 4);
        const int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(four));
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[r][v] = Dot::add(sum[r][v], a, columns[v]);
      }
    }
  }
}

template <typename Dot, int kRows, int kVectors>
void tiles(const GemmShape& s, const GemmCall& c) {
  static_assert(kVectors == 2 || kVectors == 4);
  for (int64_t tile = 0; tile < c.tiles; ++tile) {
    typename Dot::Sum sum[kRows][kVectors] = {};
    multiply<Dot>(s, c.x + tile * s.tile_step, c.weights, sum);
    int32x4_t totals[kRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) totals[r][v] = Dot::total(sum[r][v]);
    }
#pragma GCC unroll 1  // the sums go through memory, the code stays small
    for (int r = 0; r < kRows; ++r) {
      const NeonRow row = row_of(s, c, tile * kRows + r);
      s.floats ? store_floats<kVectors>(s, c.addend, row, totals[r])
               : store_bytes<kVectors>(s, row, totals[r]);
    }
  }
}

}  // namespace
}  // namespace octile
