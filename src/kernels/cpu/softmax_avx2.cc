// AVX2 row of softmax_kernel.h: table entries are gathered eight at a time; tails are scalar.
#include <immintrin.h>

#include "kernels/cpu/byte_leaf.h"
#include "kernels/cpu/softmax_leaf.h"

namespace octile {
namespace {

constexpr int64_t kLanes = 8;

/// Eight entries table[max − x].
template <bool kSigned>
inline __m256i entries(const int32_t* table, const uint8_t* x, int32_t max) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x));
  const __m256i q = kSigned ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes);
  return _mm256_i32gather_epi32(table, _mm256_sub_epi32(_mm256_set1_epi32(max), q), 4);
}

template <bool kSigned>
int32_t maximum_as(const uint8_t* x, int64_t count) {
  int64_t i = 0;
  int32_t best = value<kSigned>(x[0]);
  if (count >= 32) {
    __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
    for (i = 32; i + 32 <= count; i += 32) {
      const __m256i next = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
      v = kSigned ? _mm256_max_epi8(v, next) : _mm256_max_epu8(v, next);
    }
    alignas(32) uint8_t lanes[32];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), v);
    for (uint8_t lane : lanes) best = value<kSigned>(lane) > best ? value<kSigned>(lane) : best;
  }
  for (; i < count; ++i) best = value<kSigned>(x[i]) > best ? value<kSigned>(x[i]) : best;
  return best;
}

template <bool kSigned>
uint64_t sum_as(const int32_t* table, const uint8_t* x, int32_t max, int64_t count) {
  __m256i even = _mm256_setzero_si256(), odd = even;  // 64-bit sums
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m256i e = entries<kSigned>(table, x + i, max);
    even = _mm256_add_epi64(even, _mm256_and_si256(e, _mm256_set1_epi64x(0xffffffff)));
    odd = _mm256_add_epi64(odd, _mm256_srli_epi64(e, 32));
  }
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), _mm256_add_epi64(even, odd));
  uint64_t total = lanes[0] + lanes[1] + lanes[2] + lanes[3];
  for (; i < count; ++i) total += static_cast<uint64_t>(table[max - value<kSigned>(x[i])]);
  return total;
}

template <bool kSigned>
void divide_as(const int32_t* table, const uint8_t* x, int32_t max, int64_t count, float total,
               float* y) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m256 e = _mm256_cvtepi32_ps(entries<kSigned>(table, x + i, max));
    _mm256_storeu_ps(y + i, _mm256_div_ps(e, _mm256_set1_ps(total)));
  }
  for (; i < count; ++i) y[i] = static_cast<float>(table[max - value<kSigned>(x[i])]) / total;
}

}  // namespace

const SoftmaxKernel kSoftmaxAvx2{maximum, sum, divide};

}  // namespace octile
