// The 256-bit tile that AVX-VNNI and AVX2 share. Included by leaf files alone, inside their
// anonymous namespace through the template parameter: Dot (dot_avx2_leaf.h, dot_avxvnni_leaf.h) has
//   Operand prepare(__m256i activations)
//   __m256i add(__m256i sum, Operand, __m256i weights)
#pragma once

#include <immintrin.h>

#include "kernels/cpu/store_ymm_leaf.h"

namespace octile {
namespace {

inline int32_t load4(const uint8_t* p) {
  int32_t value;
  __builtin_memcpy(&value, p, 4);
  return value;
}

template <typename Dot, int kRows, int kVectors, int kStride, bool kFloats>
void tile(const GemmTile& t) {
  __m256i acc[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.bias[r] + 8 * v));
    }
  }
  const int8_t* b = t.weights;
  for (int64_t s = 0; s < t.segments; ++s) {
    const uint8_t* row[kRows];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) row[r] = t.rows[s * kStride + r] + t.row_offset;
    for (int64_t g = 0; g < t.groups; ++g) {
      __m256i w[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        w[v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + 32 * v));
      }
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const typename Dot::Operand a = Dot::prepare(_mm256_set1_epi32(load4(row[r] + 4 * g)));
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc[r][v] = Dot::add(acc[r][v], a, w[v]);
      }
      b += 32 * kVectors;
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    if (r >= t.m) break;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      kFloats ? store_floats(t, r, v, acc[r][v]) : store_bytes(t, r, v, acc[r][v]);
    }
  }
}

template <typename Dot, int kRows, int kVectors>
constexpr GemmVariant variant() {
  return {Dot::kShift, tile<Dot, kRows, kVectors, kRows, false>,
          tile<Dot, kRows, kVectors, kRows, true>, tile<Dot, 1, kVectors, kRows, false>,
          tile<Dot, 1, kVectors, kRows, true>};
}

}  // namespace
}  // namespace octile
