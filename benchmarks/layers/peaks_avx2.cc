// Ceilings with ymm registers: float, and the ways AVX2 has to multiply bytes.
#include <immintrin.h>

#include "peaks_loop_leaf.h"

namespace octile::bench {
namespace {

void fma(int64_t iterations) {
  const __m256 x = _mm256_set1_ps(0.5f);
  loop<__m256>(iterations, [x](__m256& sum) {
    asm volatile("vfmadd231ps %1, %1, %0" : "+x"(sum) : "x"(x));
  });
}

void bytes_once(int64_t iterations) {
  const __m256i x = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
  loop<__m256i>(iterations, [x, ones](__m256i& sum) {
    __m256i t;
    asm volatile(
        "vpmaddubsw %2, %2, %1\n\t"
        "vpmaddwd %3, %1, %1\n\t"
        "vpaddd %1, %0, %0"
        : "+x"(sum), "=&x"(t)
        : "x"(x), "x"(ones));
  });
}

/// The weight takes the sign of the activation; the activation's absolute value is at hand.
void bytes_signed(int64_t iterations) {
  const __m256i x = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
  loop<__m256i>(iterations, [x, ones](__m256i& sum) {
    __m256i t;
    asm volatile(
        "vpsignb %2, %2, %1\n\t"
        "vpmaddubsw %1, %2, %1\n\t"
        "vpmaddwd %3, %1, %1\n\t"
        "vpaddd %1, %0, %0"
        : "+x"(sum), "=&x"(t)
        : "x"(x), "x"(ones));
  });
}

void bytes_twice(int64_t iterations) {
  const __m256i x = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
  loop<__m256i>(iterations, [x, ones](__m256i& sum) {
    __m256i t, u;
    asm volatile(
        "vpmaddubsw %3, %3, %1\n\t"
        "vpmaddubsw %3, %3, %2\n\t"
        "vpaddw %2, %1, %1\n\t"
        "vpmaddwd %4, %1, %1\n\t"
        "vpaddd %1, %0, %0"
        : "+x"(sum), "=&x"(t), "=&x"(u)
        : "x"(x), "x"(ones));
  });
}

void words(int64_t iterations) {
  const __m256i x = _mm256_set1_epi16(1);
  loop<__m256i>(iterations, [x](__m256i& sum) {
    __m256i t;
    asm volatile(
        "vpmaddwd %2, %2, %1\n\t"
        "vpaddd %1, %0, %0"
        : "+x"(sum), "=&x"(t)
        : "x"(x));
  });
}

constexpr PeakLoop kRows[] = {
    {"fp32_fma_ymm", kSums * 16.0, fma},         {"vpmaddubsw_ymm", kSums * 64.0, bytes_once},
    {"vpsignb_ymm", kSums * 64.0, bytes_signed}, {"two_step_ymm", kSums * 128.0, bytes_twice},
    {"vpmaddwd_ymm", kSums * 32.0, words},
};

}  // namespace

const PeakLoops kPeaksAvx2 = {kRows, 5};

}  // namespace octile::bench
