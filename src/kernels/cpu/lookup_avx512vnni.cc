// AVX-512 rows of lookup_kernel.h: by byte permutations of four registers that hold the table where
// the CPU has AVX512_VBMI (4 … 8 operations for 64 values), else by 16 shuffles of 16 entries each,
// merged where the high half of the index names the row.
#include <immintrin.h>

#include "kernels/cpu/lookup_kernel.h"

namespace octile {
namespace {

void run(const uint8_t* table, const uint8_t* x, int64_t count, uint8_t* y) {
  const __m512i low = _mm512_set1_epi8(0x0f);
  for (int64_t i = 0; i < count; i += 64) {
    const int64_t rest = count - i;
    const __mmask64 mask = rest >= 64 ? ~uint64_t{0} : (uint64_t{1} << rest) - 1;
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

/// Whole registers by permutation, the tail by shuffles.
__attribute__((target("avx512vbmi"))) void run_permuted(const uint8_t* table, const uint8_t* x,
                                                        int64_t count, uint8_t* y) {
  const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
  const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512i v = _mm512_loadu_si512(x + i);
    const __m512i low = _mm512_permutex2var_epi8(t0, v, t1);
    const __m512i high = _mm512_permutex2var_epi8(t2, v, t3);
    _mm512_storeu_si512(y + i, _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(v), high));
  }
  if (i < count) run(table, x + i, count - i, y + i);
}

}  // namespace

const LookupKernel kLookupAvx512{run}, kLookupAvx512Vbmi{run_permuted};

}  // namespace octile
