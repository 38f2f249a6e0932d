// AVX2 row of lookup_kernel.h. The table is 16 rows of 16; a shuffle looks all bytes up in one row
// and gives 0 to those of other rows, whose index is made to have its top bit set.
#include <immintrin.h>

#include "kernels/cpu/lookup_kernel.h"

namespace octile {
namespace {

void run(const uint8_t* table, const uint8_t* x, int64_t count, uint8_t* y) {
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m256i v0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    const __m256i v1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i + 32));
    __m256i sum0 = _mm256_setzero_si256(), sum1 = sum0;
    const __m256i bias = _mm256_set1_epi8(0x70);
    for (int row = 0; row < 16; ++row) {
      const __m256i entries = _mm256_broadcastsi128_si256(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * row)));
      const __m256i high = _mm256_set1_epi8(static_cast<char>(16 * row));
      // x ^ 16·row is below 16 only in this row; plus 0x70, saturating, all others pass 0x7f
      const __m256i i0 = _mm256_adds_epu8(_mm256_xor_si256(v0, high), bias);
      const __m256i i1 = _mm256_adds_epu8(_mm256_xor_si256(v1, high), bias);
      sum0 = _mm256_or_si256(sum0, _mm256_shuffle_epi8(entries, i0));
      sum1 = _mm256_or_si256(sum1, _mm256_shuffle_epi8(entries, i1));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), sum0);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i + 32), sum1);
  }
  for (; i < count; ++i) y[i] = table[x[i]];
}

}  // namespace

const LookupKernel kLookupAvx2{run};

}  // namespace octile
