// The ceiling of vpdpbusd with ymm registers, in AVX-VNNI's encoding.
#include <immintrin.h>

#include "peaks_loop_leaf.h"

namespace octile::bench {
namespace {

void dot(int64_t iterations) {
  const __m256i x = _mm256_set1_epi8(1);
  loop<__m256i>(iterations, [x](__m256i& sum) {
    asm volatile("%{vex%} vpdpbusd %1, %1, %0" : "+x"(sum) : "x"(x));
  });
}

constexpr PeakLoop kRows[] = {{"vpdpbusd_ymm", kSums * 64.0, dot}};

}  // namespace

const PeakLoops kPeaksAvxVnni = {kRows, 1};

}  // namespace octile::bench
