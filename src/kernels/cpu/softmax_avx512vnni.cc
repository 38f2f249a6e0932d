// AVX-512 row of softmax_kernel.h: table entries are gathered sixteen at a time; tails are masked.
#include <immintrin.h>

#include "kernels/cpu/softmax_leaf.h"

namespace octile {
namespace {

constexpr int64_t kLanes = 16;

inline __mmask16 mask_of(int64_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xffff : (1u << count) - 1);
}

/// Up to sixteen entries table[max − x], 0 where masked out.
template <bool kSigned>
inline __m512i entries(const int32_t* table, const uint8_t* x, int32_t max, __mmask16 mask) {
  const __m128i bytes = _mm_maskz_loadu_epi8(mask, x);
  const __m512i q = kSigned ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
  const __m512i distance = _mm512_sub_epi32(_mm512_set1_epi32(max), q);
  return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), mask, distance, table, 4);
}

template <bool kSigned>
int32_t maximum_as(const uint8_t* x, int64_t count) {
  __m512i best = _mm512_set1_epi32(kSigned ? -128 : 0);
  for (int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 mask = mask_of(count - i);
    const __m128i bytes = _mm_maskz_loadu_epi8(mask, x + i);
    const __m512i q = kSigned ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
    best = _mm512_mask_max_epi32(best, mask, best, q);
  }
  return _mm512_reduce_max_epi32(best);
}

template <bool kSigned>
uint64_t sum_as(const int32_t* table, const uint8_t* x, int32_t max, int64_t count) {
  __m512i even = _mm512_setzero_si512(), odd = even;  // 64-bit sums
  for (int64_t i = 0; i < count; i += kLanes) {
    const __m512i e = entries<kSigned>(table, x + i, max, mask_of(count - i));
    even = _mm512_add_epi64(even, _mm512_and_si512(e, _mm512_set1_epi64(0xffffffff)));
    odd = _mm512_add_epi64(odd, _mm512_srli_epi64(e, 32));
  }
  return static_cast<uint64_t>(_mm512_reduce_add_epi64(_mm512_add_epi64(even, odd)));
}

template <bool kSigned>
void divide_as(const int32_t* table, const uint8_t* x, int32_t max, int64_t count, float total,
               float* y) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 mask = mask_of(count - i);
    const __m512 e = _mm512_cvtepi32_ps(entries<kSigned>(table, x + i, max, mask));
    _mm512_mask_storeu_ps(y + i, mask, _mm512_div_ps(e, _mm512_set1_ps(total)));
  }
}

}  // namespace

const SoftmaxKernel kSoftmaxAvx512{maximum, sum, divide};

}  // namespace octile
