// AVX2 row of eltwise_kernel.h: eight values a step, the tail through padded copies.
#include <immintrin.h>

#include "kernels/cpu/eltwise_kernel.h"

namespace octile {
namespace {

template <bool kSigned>
inline __m256i widen(const uint8_t* x, int32_t zero) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x));
  const __m256i q = kSigned ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes);
  return _mm256_sub_epi32(q, _mm256_set1_epi32(zero));
}

template <bool kAdd>
inline __m256 combine(__m256i a, __m256i b, const EltwiseArguments& g) {
  if (!kAdd) {
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_mullo_epi32(a, b)), _mm256_set1_ps(g.m_a));
  }
  const __m256 left = _mm256_mul_ps(_mm256_cvtepi32_ps(a), _mm256_set1_ps(g.m_a));
  const __m256 right = _mm256_mul_ps(_mm256_cvtepi32_ps(b), _mm256_set1_ps(g.m_b));
  return _mm256_add_ps(left, right);
}

inline void finish(__m256 v, const EltwiseArguments& g, uint8_t* y) {
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(g.lo)), _mm256_set1_ps(g.hi));
  const __m256i q = _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(g.y_zero));
  // byte 0 of each value, gathered into the low 4 bytes of each half
  const __m256i low = _mm256_shuffle_epi8(
      q, _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,  //
                          0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  const __m128i joined =
      _mm_unpacklo_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(y), joined);
}

template <bool kAdd, bool kASigned, bool kBSigned>
void run_as(const uint8_t* a, const uint8_t* b, int64_t count, const EltwiseArguments& g,
            uint8_t* y) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    finish(combine<kAdd>(widen<kASigned>(a + i, g.a_zero), widen<kBSigned>(b + i, g.b_zero), g), g,
           y + i);
  }
  if (i == count) return;
  uint8_t rest_a[8] = {}, rest_b[8] = {}, rest_y[8];
  for (int64_t k = 0; k < count - i; ++k) {
    rest_a[k] = a[i + k];
    rest_b[k] = b[i + k];
  }
  finish(combine<kAdd>(widen<kASigned>(rest_a, g.a_zero), widen<kBSigned>(rest_b, g.b_zero), g), g,
         rest_y);
  for (int64_t k = 0; k < count - i; ++k) y[i + k] = rest_y[k];
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

const EltwiseKernel kEltwiseAvx2{run<true>, run<false>};

}  // namespace octile
