// The 256-bit depthwise tile: 32 channels of a pixel. The bytes of four taps are interleaved, so
// that one lane of Dot (dot_avx2_leaf.h, dot_avxvnni_leaf.h) sums four taps of one channel. Leaf
// files alone include this.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/store_ymm_leaf.h"

namespace octile {
namespace {

inline constexpr int kDepthwiseRows = 4;  // pixels a call

/// Channels of one tap, zeros beyond n, none of which are read.
inline __m256i load_channels(const uint8_t* p, int64_t n) {
  if (n >= 32) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  alignas(32) uint8_t bytes[32] = {};
  __builtin_memcpy(bytes, p, static_cast<size_t>(n));
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes));
}

template <typename Dot, bool kFloats>
void depthwise(const GemmTile& t) {
  for (int r = 0; r < t.m; ++r) {
    __m256i acc[4] = {};
    const auto* w = reinterpret_cast<const __m256i*>(t.weights);
    for (int64_t s = 0; s < t.segments; s += 4, w += 4) {
      __m256i x[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        x[i] = load_channels(t.rows[(s + i) * kDepthwiseRows + r] + t.row_offset, t.n);
      }
      const __m256i low01 = _mm256_unpacklo_epi8(x[0], x[1]);
      const __m256i high01 = _mm256_unpackhi_epi8(x[0], x[1]);
      const __m256i low23 = _mm256_unpacklo_epi8(x[2], x[3]);
      const __m256i high23 = _mm256_unpackhi_epi8(x[2], x[3]);
      const __m256i four[4] = {
          _mm256_unpacklo_epi16(low01, low23), _mm256_unpackhi_epi16(low01, low23),
          _mm256_unpacklo_epi16(high01, high23), _mm256_unpackhi_epi16(high01, high23)};
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        acc[v] = Dot::add(acc[v], Dot::prepare(four[v]), _mm256_loadu_si256(w + v));
      }
    }
    // Lane l of acc[v] holds channels 16·l + 4·v …: back to their order.
    const __m256i sums[4] = {_mm256_permute2x128_si256(acc[0], acc[1], 0x20),
                             _mm256_permute2x128_si256(acc[2], acc[3], 0x20),
                             _mm256_permute2x128_si256(acc[0], acc[1], 0x31),
                             _mm256_permute2x128_si256(acc[2], acc[3], 0x31)};
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const auto* bias = reinterpret_cast<const __m256i*>(t.bias[r] + 8 * v);
      const __m256i sum = _mm256_add_epi32(sums[v], _mm256_loadu_si256(bias));
      kFloats ? store_floats(t, r, v, sum) : store_bytes(t, r, v, sum);
    }
  }
}

template <typename Dot>
constexpr GemmVariant depthwise_variant() {
  return {Dot::kShift, depthwise<Dot, false>, depthwise<Dot, true>, depthwise<Dot, false>,
          depthwise<Dot, true>};
}

}  // namespace
}  // namespace octile
