// From eight sums to eight outputs: the epilogue of the 256-bit tiles. Leaf files alone include
// this.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/gemm_kernel.h"

namespace octile {
namespace {

/// Scaled values of eight sums of one row.
inline __m256 scaled(const GemmShape& s, const GemmCall& t, int64_t r, int v, __m256i sum) {
  return _mm256_mul_ps(_mm256_cvtepi32_ps(sum),
                       _mm256_loadu_ps(t.scale + r * s.table_stride + 8 * v));
}

/// Up to eight bytes, fewer at the right edge, without reading past them.
inline __m128i load_bytes(const uint8_t* p, int64_t n) {
  if (n >= 8) return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  uint64_t bytes = 0;
  for (int64_t i = 0; i < n; ++i) bytes |= static_cast<uint64_t>(p[i]) << (8 * i);
  return _mm_cvtsi64_si128(static_cast<long long>(bytes));
}

inline void store_bytes(const GemmShape& s, const GemmCall& t, int64_t r, int v, __m256i sum) {
  const int64_t n = s.n - 8 * v;
  if (n <= 0) return;
  __m256 y = scaled(s, t, r, v, sum);
  if (s.residual) {
    const __m128i q = load_bytes(t.residual + r * s.residual_stride + 8 * v, n);
    const __m256i wide = s.residual_signed ? _mm256_cvtepi8_epi32(q) : _mm256_cvtepu8_epi32(q);
    const __m256 value =
        _mm256_cvtepi32_ps(_mm256_sub_epi32(wide, _mm256_set1_epi32(s.residual_zero)));
    y = _mm256_add_ps(y, _mm256_mul_ps(value, _mm256_set1_ps(s.residual_multiplier)));
  }
  y = _mm256_min_ps(_mm256_max_ps(y, _mm256_set1_ps(s.lo)), _mm256_set1_ps(s.hi));
  const __m256i q = _mm256_add_epi32(_mm256_cvtps_epi32(y), _mm256_set1_epi32(s.zero));
  // The low byte of each lane; values are inside the type's range already.
  const __m256i pick =
      _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12, -1,
                       -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i packed = _mm256_shuffle_epi8(q, pick);
  const __m128i bytes =
      _mm_unpacklo_epi32(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
  uint8_t* out = t.out + r * s.out_stride + 8 * v;
  if (n >= 8) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), bytes);
    return;
  }
  const uint64_t value = static_cast<uint64_t>(_mm_cvtsi128_si64(bytes));
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<uint8_t>(value >> (8 * i));
}

inline void store_floats(const GemmShape& s, const GemmCall& t, int64_t r, int v, __m256i sum) {
  const int64_t n = s.n - 8 * v;
  if (n <= 0) return;
  __m256 y = scaled(s, t, r, v, sum);
  if (s.addend) y = _mm256_add_ps(y, _mm256_loadu_ps(t.addend + 8 * v));
  y = _mm256_min_ps(_mm256_max_ps(y, _mm256_set1_ps(s.lo)), _mm256_set1_ps(s.hi));
  float* out = reinterpret_cast<float*>(t.out + r * s.out_stride) + 8 * v;
  if (n >= 8) {
    _mm256_storeu_ps(out, y);
    return;
  }
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  _mm256_maskstore_ps(out, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lanes), y);
}

}  // namespace
}  // namespace octile
