// AVX-512 row of normalize_kernel.h: three walks over a row that level 1 holds, tails masked.
#include <immintrin.h>

#include "kernels/cpu/normalize_kernel.h"

namespace octile {
namespace {

constexpr int kParts = 4;  // sums at once, as an addition takes four cycles
constexpr int64_t kLanes = 16;

inline __mmask16 mask_of(int64_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xffff : count <= 0 ? 0 : (1u << count) - 1);
}

inline float total(const __m512 (&parts)[kParts]) {
  return _mm512_reduce_add_ps(
      _mm512_add_ps(_mm512_add_ps(parts[0], parts[1]), _mm512_add_ps(parts[2], parts[3])));
}

/// Σ f(x) over a row, where f gives 0 for lanes outside the mask.
template <typename F>
float sum_of(const float* x, int64_t count, const F& f) {
  __m512 parts[kParts] = {};
  for (int64_t i = 0; i < count; i += kParts * kLanes) {
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
      const __mmask16 mask = mask_of(count - i - p * kLanes);
      parts[p] = _mm512_add_ps(parts[p], f(_mm512_maskz_loadu_ps(mask, x + i + p * kLanes), mask));
    }
  }
  return total(parts);
}

void one_row(const float* x, const NormalizeArguments& a, float* y) {
  const auto count = static_cast<float>(a.count);
  const float mean = sum_of(x, a.count, [](__m512 v, __mmask16) { return v; }) / count;
  const __m512 means = _mm512_set1_ps(mean);
  const float squares = sum_of(x, a.count, [&](__m512 v, __mmask16 mask) {
    const __m512 d = _mm512_maskz_sub_ps(mask, v, means);
    return _mm512_mul_ps(d, d);
  });
  const __m128 spread = _mm_set_ss(squares / count + a.epsilon);
  const __m512 inverse = _mm512_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(spread)));
  for (int64_t i = 0; i < a.count; i += kLanes) {
    const __mmask16 mask = mask_of(a.count - i);
    __m512 v = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), means), inverse);
    if (a.scale != nullptr) v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, a.scale + i));
    if (a.shift != nullptr) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, a.shift + i));
    _mm512_mask_storeu_ps(y + i, mask, v);
  }
}

void run(const float* x, int64_t rows, const NormalizeArguments& a, float* y) {
  for (int64_t r = 0; r < rows; ++r) one_row(x + r * a.count, a, y + r * a.count);
}

}  // namespace

const NormalizeKernel kNormalizeAvx512{run};

}  // namespace octile
