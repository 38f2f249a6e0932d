// AVX-512 row of eltwise_kernel.h: sixteen values a step, the tail masked.
#include <immintrin.h>

#include "kernels/cpu/eltwise_kernel.h"

namespace octile {
namespace {

template <bool kSigned>
inline __m512i widen(__m128i bytes, int32_t zero) {
  const __m512i q = kSigned ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
  return _mm512_sub_epi32(q, _mm512_set1_epi32(zero));
}

template <bool kAdd>
inline __m512 combine(__m512i a, __m512i b, const EltwiseArguments& g) {
  if (!kAdd) {
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_mullo_epi32(a, b)), _mm512_set1_ps(g.m_a));
  }
  const __m512 left = _mm512_mul_ps(_mm512_cvtepi32_ps(a), _mm512_set1_ps(g.m_a));
  const __m512 right = _mm512_mul_ps(_mm512_cvtepi32_ps(b), _mm512_set1_ps(g.m_b));
  return _mm512_add_ps(left, right);
}

inline __m128i finish(__m512 v, const EltwiseArguments& g) {
  v = _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(g.lo)), _mm512_set1_ps(g.hi));
  return _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(g.y_zero)));
}

template <bool kAdd, bool kASigned, bool kBSigned>
void run_as(const uint8_t* a, const uint8_t* b, int64_t count, const EltwiseArguments& g,
            uint8_t* y) {
  for (int64_t i = 0; i < count; i += 16) {
    const int64_t rest = count - i;
    const auto mask = static_cast<__mmask16>(rest >= 16 ? 0xffff : (1u << rest) - 1);
    const __m512i left = widen<kASigned>(_mm_maskz_loadu_epi8(mask, a + i), g.a_zero);
    const __m512i right = widen<kBSigned>(_mm_maskz_loadu_epi8(mask, b + i), g.b_zero);
    _mm_mask_storeu_epi8(y + i, mask, finish(combine<kAdd>(left, right, g), g));
  }
}

template <bool kAdd>
void run(const uint8_t* a, const uint8_t* b, int64_t count, const EltwiseArguments& g, uint8_t* y) {
  if (g.a_signed) {
    g.b_signed ? run_as<kAdd, true, true>(a, b, count, g, y)
               : run_as<kAdd, true, false>(a, b, count, g, y);
  } else {
    g.b_signed ? run_as<kAdd, false, true>(a, b, count, g, y)
               : run_as<kAdd, false, false>(a, b, count, g, y);
  }
}

}  // namespace

const EltwiseKernel kEltwiseAvx512{run<true>, run<false>};

}  // namespace octile
