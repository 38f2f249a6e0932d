// AVX-512 rows of lookup_kernel.h. Without VBMI the table is 16 rows of 16; each row's shuffle is
// merged where the high half of the index names the row. With it the table is four registers; two
// of them at a time answer seven bits of the index, its sign chooses between the answers.
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

__attribute__((target("avx512vbmi"))) void run_vbmi(const uint8_t* table, const uint8_t* x,
                                                    int64_t count, uint8_t* y) {
  const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
  const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);
  for (int64_t i = 0; i < count; i += 64) {
    const int64_t rest = count - i;
    const __mmask64 mask = rest >= 64 ? ~uint64_t{0} : (uint64_t{1} << rest) - 1;
    const __m512i v = _mm512_maskz_loadu_epi8(mask, x + i);
    const __m512i low = _mm512_permutex2var_epi8(t0, v, t1);
    const __m512i high = _mm512_permutex2var_epi8(t2, v, t3);
    _mm512_mask_storeu_epi8(y + i, mask, _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(v), high));
  }
}

}  // namespace

const LookupKernel kLookupAvx512{run};
const LookupKernel kLookupVbmi{run_vbmi};

}  // namespace octile
