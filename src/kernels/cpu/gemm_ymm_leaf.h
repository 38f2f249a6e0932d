// The 256-bit tiles that AVX2 and AVX-VNNI share: start of the sums, epilogue, next tile. What lies
// between is the policy Sums, whose add() adds the products of a tile's rows. Leaf files alone
// include this.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/store_ymm_leaf.h"

namespace octile {
namespace {

/// Four bytes in every lane.
inline __m256i broadcast4(const uint8_t* p) { return _mm256_set1_epi32(load_as<int32_t>(p)); }

inline __m256i load_weights(const int8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

template <typename Sums, int kRows, int kVectors, bool kFloats>
void gemm_tiles(const GemmShape& s, const GemmCall& c) {
  const uint8_t* row[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) row[r] = c.x + s.row_offset[r];
  TileEnds ends{c.bias, c.scale, c.addend, c.out, c.residual};
  const bool plain = !s.residual && !s.may_leave_int32;
  for (int64_t tile = 0; tile < c.tiles; ++tile) {
    __m256i acc[kRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const int32_t* bias = ends.bias + r * s.table_stride + 8 * v;
        acc[r][v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bias));
      }
    }
    Sums::add(s, c, row, acc);
    if (kFloats) {
      store_float_rows(s, ends, acc);
    } else if (plain) {
      store_byte_rows<true>(s, ends, acc);
    } else {
      store_byte_rows<false>(s, ends, acc);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) row[r] += s.tile_step;
    ends.bias += kRows * s.table_stride;
    ends.scale += kRows * s.table_stride;
    ends.out += kRows * s.out_stride;
    if (s.residual) ends.residual += kRows * s.residual_stride;
  }
}

/// GemmVariant's functions, by rows.
template <typename Sums, int kVectors, bool kFloats, int... kRows>
constexpr GemmFunction kTiles[] = {gemm_tiles<Sums, kRows, kVectors, kFloats>...};

}  // namespace
}  // namespace octile
