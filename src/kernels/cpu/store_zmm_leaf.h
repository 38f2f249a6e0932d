// From sixteen sums to sixteen outputs: the epilogue of the 512-bit tiles. Leaf files alone include
// this.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/gemm_kernel.h"

namespace octile {
namespace {

inline __mmask16 columns(int64_t n, int v) {
  const int64_t rest = n - 16 * v;
  return static_cast<__mmask16>(rest >= 16 ? 0xffff : rest <= 0 ? 0 : (1u << rest) - 1);
}

/// Sixteen sums of one row → sixteen bytes of output.
inline void store_bytes(const GemmTile& t, int r, int v, __m512i sum) {
  const __mmask16 mask = columns(t.n, v);
  __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(t.scale[r] + 16 * v));
  if (t.residual != nullptr) {
    const __m128i q = _mm_maskz_loadu_epi8(mask, t.residual + r * t.residual_stride + 16 * v);
    const __m512i wide = t.residual_signed ? _mm512_cvtepi8_epi32(q) : _mm512_cvtepu8_epi32(q);
    const __m512 value =
        _mm512_cvtepi32_ps(_mm512_sub_epi32(wide, _mm512_set1_epi32(t.residual_zero)));
    y = _mm512_add_ps(y, _mm512_mul_ps(value, _mm512_set1_ps(t.residual_multiplier)));
  }
  y = _mm512_min_ps(_mm512_max_ps(y, _mm512_set1_ps(t.lo)), _mm512_set1_ps(t.hi));
  const __m512i q = _mm512_add_epi32(_mm512_cvtps_epi32(y), _mm512_set1_epi32(t.zero));
  _mm_mask_storeu_epi8(t.out + r * t.out_stride + 16 * v, mask, _mm512_cvtepi32_epi8(q));
}

inline void store_floats(const GemmTile& t, int r, int v, __m512i sum) {
  const __mmask16 mask = columns(t.n, v);
  __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(t.scale[r] + 16 * v));
  if (t.addend != nullptr) y = _mm512_add_ps(y, _mm512_loadu_ps(t.addend + 16 * v));
  y = _mm512_min_ps(_mm512_max_ps(y, _mm512_set1_ps(t.lo)), _mm512_set1_ps(t.hi));
  _mm512_mask_storeu_ps(t.out + r * t.out_stride + 64 * v, mask, y);
}

}  // namespace
}  // namespace octile
