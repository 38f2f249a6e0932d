// AVX-512 row of lookup_kernel.h. With VBMI (all but the first CPUs with VNNI) one permutation
// picks from 128 bytes, so two and the index's sign pick from 256. Without it the table is 16 rows
// of 16; each row's shuffle is merged where the high half of the index names the row.
#include <immintrin.h>

#include "kernels/cpu/lookup_kernel.h"

namespace octile {
namespace {

inline __mmask64 mask_of(int64_t count) {
  return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
}

__attribute__((target("avx512vbmi"))) void permute(const uint8_t* table, const uint8_t* x,
                                                   int64_t count, uint8_t* y) {
  __m512i part[4];
  for (int i = 0; i < 4; ++i) part[i] = _mm512_loadu_si512(table + 64 * i);
  for (int64_t i = 0; i < count; i += 64) {
    const __mmask64 mask = mask_of(count - i);
    const __m512i v = _mm512_maskz_loadu_epi8(mask, x + i);
    const __m512i lower = _mm512_permutex2var_epi8(part[0], v, part[1]);
    const __m512i upper = _mm512_permutex2var_epi8(part[2], v, part[3]);
    _mm512_mask_storeu_epi8(y + i, mask,
                            _mm512_mask_mov_epi8(lower, _mm512_movepi8_mask(v), upper));
  }
}

void shuffle(const uint8_t* table, const uint8_t* x, int64_t count, uint8_t* y) {
  const __m512i low = _mm512_set1_epi8(0x0f);
  for (int64_t i = 0; i < count; i += 64) {
    const __mmask64 mask = mask_of(count - i);
    const __m512i v = _mm512_maskz_loadu_epi8(mask, x + i);
    const __m512i column = _mm512_and_si512(v, low), row_of = _mm512_andnot_si512(low, v);
    __m512i found = _mm512_setzero_si512();
    for (int row = 0; row < 16; ++row) {
      const __m512i entries = _mm512_broadcast_i32x4(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * row)));
      const __mmask64 here =
          _mm512_cmpeq_epi8_mask(row_of, _mm512_set1_epi8(static_cast<char>(16 * row)));
      found = _mm512_mask_shuffle_epi8(found, here, entries, column);
    }
    _mm512_mask_storeu_epi8(y + i, mask, found);
  }
}

void run(const uint8_t* table, const uint8_t* x, int64_t count, uint8_t* y) {
  __builtin_cpu_supports("avx512vbmi") ? permute(table, x, count, y) : shuffle(table, x, count, y);
}

}  // namespace

const LookupKernel kLookupAvx512{run};

}  // namespace octile
