// INT8 tiles with vpdpbusd on 512-bit registers: u8 × s8, four products a lane, no saturation.
//
//   registers of a 6 × 64 tile:   acc[6][4] sums, b[4] weights, a: one row's 4 bytes broadcast
//
// Signed activations are flipped to x + 128 on the way (shift 128).
#include <immintrin.h>

#include "kernels/cpu/store_zmm_leaf.h"

namespace octile {
namespace {

inline int32_t load4(const uint8_t* p) {
  int32_t value;
  __builtin_memcpy(&value, p, 4);
  return value;
}

template <int kRows, int kVectors, int kStride, bool kFlip, bool kFloats>
void tile(const GemmTile& t) {
  __m512i acc[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm512_loadu_si512(t.bias[r] + 16 * v);
  }
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  const int8_t* b = t.weights;
  for (int64_t s = 0; s < t.segments; ++s) {
    const uint8_t* row[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) row[r] = t.rows[s * kStride + r] + t.row_offset;
    for (int64_t g = 0; g < t.groups; ++g) {
      __m512i w[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) w[v] = _mm512_loadu_si512(b + 64 * v);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        __m512i a = _mm512_set1_epi32(load4(row[r] + 4 * g));
        if (kFlip) a = _mm512_xor_si512(a, flip);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm512_dpbusd_epi32(acc[r][v], a, w[v]);
      }
      b += 64 * kVectors;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    if (r >= t.m) break;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      kFloats ? store_floats(t, r, v, acc[r][v]) : store_bytes(t, r, v, acc[r][v]);
    }
  }
}

template <int kRows, int kVectors, bool kFlip>
constexpr GemmVariant variant() {
  return {kFlip ? 128 : 0, tile<kRows, kVectors, kRows, kFlip, false>,
          tile<kRows, kVectors, kRows, kFlip, true>, tile<1, kVectors, kRows, kFlip, false>,
          tile<1, kVectors, kRows, kFlip, true>};
}

template <int kRows, int kVectors>
constexpr GemmKernel kernel() {
  return {kRows,
          16 * kVectors,
          {variant<kRows, kVectors, false>(), variant<kRows, kVectors, true>(),
           variant<kRows, kVectors, false>()}};
}

constexpr GemmKernel kList[] = {kernel<6, 4>(), kernel<12, 2>(), kernel<12, 1>()};

}  // namespace

const GemmKernels kGemmAvx512Vnni{kList, 3};

}  // namespace octile
