// Softmax of floats with AVX-512: the largest, the exponentials and their sum, the quotients; tails
// are masked. exp(x) = 2ⁿ · e^f with n = rne(x / ln 2) and a polynomial for |f| ≤ ln 2 / 2, within
// 2 units in the last place.
#include <immintrin.h>

#include "kernels/cpu/softmax_float_kernel.h"

namespace octile {
namespace {

constexpr int64_t kLanes = 16;

inline __mmask16 mask_of(int64_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xffff : (1u << count) - 1);
}

/// Of x ≤ 0; NaN stays NaN, and what is below −104 gives 0.
inline __m512 exponential(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-104.0f), x);
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p0f)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 f = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.62e4p-1f), x);  // ln 2 in two parts
  f = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.7f7d1cp-20f), f);
  constexpr float kInverseFactorials[] = {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  __m512 p = _mm512_set1_ps(1.0f / 720);
  for (const float c : kInverseFactorials) p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(c));
  return _mm512_scalef_ps(p, n);
}

void one_row(const float* x, int64_t count, float* y) {
  __m512 most = _mm512_set1_ps(-__builtin_inff());
  for (int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 mask = mask_of(count - i);
    most = _mm512_mask_max_ps(most, mask, most, _mm512_maskz_loadu_ps(mask, x + i));
  }
  const __m512 largest = _mm512_set1_ps(_mm512_reduce_max_ps(most));
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 mask = mask_of(count - i);
    const __m512 e = exponential(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), largest));
    _mm512_mask_storeu_ps(y + i, mask, e);
    sum = _mm512_mask_add_ps(sum, mask, sum, e);
  }
  const __m512 factor = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(sum));
  for (int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 mask = mask_of(count - i);
    _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, y + i), factor));
  }
}

void run(const float* x, int64_t rows, int64_t count, float* y) {
  for (int64_t r = 0; r < rows; ++r) one_row(x + r * count, count, y + r * count);
}

}  // namespace

const SoftmaxFloat kSoftmaxFloatAvx512 = run;

}  // namespace octile
