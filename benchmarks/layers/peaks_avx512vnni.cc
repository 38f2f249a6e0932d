// Ceilings with zmm registers: float and vpdpbusd.
#include <immintrin.h>

#include "peaks_loop_leaf.h"

namespace octile::bench {
namespace {

void fma(int64_t iterations) {
  const __m512 x = _mm512_set1_ps(0.5f);
  loop<__m512>(iterations, [x](__m512& sum) {
    asm volatile("vfmadd231ps %1, %1, %0" : "+v"(sum) : "v"(x));
  });
}

void dot(int64_t iterations) {
  const __m512i x = _mm512_set1_epi32(0x01010101);
  loop<__m512i>(iterations, [x](__m512i& sum) {
    asm volatile("vpdpbusd %1, %1, %0" : "+v"(sum) : "v"(x));
  });
}

constexpr PeakLoop kRows[] = {{"fp32_fma_zmm", kSums * 32.0, fma},
                              {"vpdpbusd_zmm", kSums * 128.0, dot}};

}  // namespace

const PeakLoops kPeaksAvx512Vnni = {kRows, 2};

}  // namespace octile::bench
