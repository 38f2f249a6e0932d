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

template <typename Dot, int kRows, int kVectors, bool kFloats>
void one_tile(const GemmShape& s, const GemmCall& t, const uint8_t* x, int64_t index) {
  __m256i acc[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int32_t* bias = t.bias + (index * kRows + r) * s.table_stride + 8 * v;
      acc[r][v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bias));
    }
  }
  const int8_t* b = t.weights;
  for (int64_t segment = 0; segment < s.segments; ++segment) {
    const uint8_t* row[kRows];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) row[r] = x + s.row_offset[r] + s.segment_offset[segment];
    for (int64_t g = 0; g < s.groups; ++g) {
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
    const int64_t row = index * kRows + r;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      kFloats ? store_floats(s, t, row, v, acc[r][v]) : store_bytes(s, t, row, v, acc[r][v]);
    }
  }
}

template <typename Dot, int kRows, int kVectors, bool kFloats>
void tile(const GemmShape& s, const GemmCall& t) {
  for (int64_t i = 0; i < t.tiles; ++i) {
    one_tile<Dot, kRows, kVectors, kFloats>(s, t, t.x + i * s.tile_step, i);
  }
}

template <typename Dot, int kVectors, bool kFloats>
constexpr GemmFunction kTiles[] = {
    tile<Dot, 1, kVectors, kFloats>, tile<Dot, 2, kVectors, kFloats>,
    tile<Dot, 3, kVectors, kFloats>, tile<Dot, 4, kVectors, kFloats>,
    tile<Dot, 5, kVectors, kFloats>, tile<Dot, 6, kVectors, kFloats>};

template <typename Dot, int kVectors>
constexpr GemmVariant variant(bool flip) {
  return {flip, Dot::kShift, kTiles<Dot, kVectors, false>, kTiles<Dot, kVectors, true>};
}

}  // namespace
}  // namespace octile
