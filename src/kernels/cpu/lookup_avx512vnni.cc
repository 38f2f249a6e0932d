// AVX-512 row of lookup_kernel.h. The table is 16 rows of 16; each row's shuffle is merged where
// the high half of the index names the row.
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

}  // namespace

const LookupKernel kLookupAvx512{run};

}  // namespace octile
