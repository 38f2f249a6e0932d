// AVX2 row of pool_kernel.h: 32 channels a vector for maxima, 8 for sums. Tails of channels are
// scalar.
#include <immintrin.h>

#include "kernels/cpu/byte_leaf.h"
#include "kernels/cpu/pool_leaf.h"

namespace octile {
namespace {

template <bool kSigned>
void maximum_as(const PoolRun& run) {
  for (int64_t i = 0; i < run.pixels; ++i) {
    const uint8_t* x = run.x + i * run.step;
    uint8_t* y = run.y + i * run.y_step;
    int64_t c = 0;
    for (; c + 32 <= run.channels; c += 32) {
      __m256i best = _mm256_set1_epi8(static_cast<char>(kSigned ? -128 : 0));
      for_taps(run, x + c, [&](const uint8_t* tap) {
        const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tap));
        best = kSigned ? _mm256_max_epi8(best, v) : _mm256_max_epu8(best, v);
      });
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + c), best);
    }
    for (; c + 16 <= run.channels; c += 16) {
      __m128i best = _mm_set1_epi8(static_cast<char>(kSigned ? -128 : 0));
      for_taps(run, x + c, [&](const uint8_t* tap) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tap));
        best = kSigned ? _mm_max_epi8(best, v) : _mm_max_epu8(best, v);
      });
      _mm_storeu_si128(reinterpret_cast<__m128i*>(y + c), best);
    }
    for (; c < run.channels; ++c) {
      int32_t best = kSigned ? -128 : 0;
      for_taps(run, x + c, [&](const uint8_t* tap) {
        best = value<kSigned>(*tap) > best ? value<kSigned>(*tap) : best;
      });
      y[c] = static_cast<uint8_t>(best);
    }
  }
}

/// Windows of kSide × kSide and channels in whole vectors: the loops over taps unrolled.
template <bool kSigned, int kSide>
void maximum_square(const PoolRun& run) {
  for (int64_t c = 0; c < run.channels; c += 32) {
    const uint8_t* x = run.x + c;
    for (int64_t i = 0; i < run.pixels; ++i, x += run.step) {
      __m256i best = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
      for (int t = 1; t < kSide * kSide; ++t) {
        const uint8_t* tap = x + t / kSide * run.row_stride + t % kSide * run.column_stride;
        const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tap));
        best = kSigned ? _mm256_max_epi8(best, v) : _mm256_max_epu8(best, v);
      }
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(run.y + i * run.y_step + c), best);
    }
  }
}

template <bool kSigned>
void maximum_of(const PoolRun& run) {
  const bool whole = run.channels % 32 == 0;
  if (whole && run.rows == 2 && run.columns == 2) return maximum_square<kSigned, 2>(run);
  if (whole && run.rows == 3 && run.columns == 3) return maximum_square<kSigned, 3>(run);
  maximum_as<kSigned>(run);
}

void maximum(const PoolRun& run) { run.is_signed ? maximum_of<true>(run) : maximum_of<false>(run); }

/// Eight sums to eight bytes.
inline void finish(__m256i sums, const PoolAverage& a, uint8_t* y) {
  const __m256i centred = _mm256_sub_epi32(sums, _mm256_set1_epi32(a.zero_sum));
  __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(centred), _mm256_set1_ps(a.multiplier));
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(a.lo)), _mm256_set1_ps(a.hi));
  const __m256i q = _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(a.y_zero));
  // byte 0 of each value, gathered into the low 4 bytes of each half
  const __m256i low = _mm256_shuffle_epi8(
      q, _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,  //
                          0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  const __m128i joined =
      _mm_unpacklo_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(y), joined);
}

template <bool kSigned>
void average_as(const PoolRun& run, const PoolAverage& a) {
  for (int64_t i = 0; i < run.pixels; ++i) {
    const uint8_t* x = run.x + i * run.step;
    uint8_t* y = run.y + i * run.y_step;
    int64_t c = 0;
    for (; c + 8 <= run.channels; c += 8) {
      __m256i sums = _mm256_setzero_si256();
      for_taps(run, x + c, [&](const uint8_t* tap) {
        const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(tap));
        sums = _mm256_add_epi32(
            sums, kSigned ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes));
      });
      finish(sums, a, y + c);
    }
    if (c == run.channels) continue;
    alignas(32) int32_t rest[8] = {};
    for_taps(run, x + c, [&](const uint8_t* tap) {
      for (int64_t k = 0; k < run.channels - c; ++k) rest[k] += value<kSigned>(tap[k]);
    });
    uint8_t bytes[8];
    finish(_mm256_load_si256(reinterpret_cast<const __m256i*>(rest)), a, bytes);
    for (int64_t k = 0; k < run.channels - c; ++k) y[c + k] = bytes[k];
  }
}

void average(const PoolRun& run, const PoolAverage& a) {
  run.is_signed ? average_as<true>(run, a) : average_as<false>(run, a);
}

}  // namespace

const PoolKernel kPoolAvx2{maximum, average};

}  // namespace octile
