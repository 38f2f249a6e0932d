// AVX-512 row of pool_kernel.h: 64 channels a vector for maxima, 16 for sums, tails masked.
#include <immintrin.h>

#include "kernels/cpu/pool_kernel.h"

namespace octile {
namespace {

/// Calls f(tap) for the window of one pixel.
template <typename F>
inline void for_taps(const PoolRun& run, const uint8_t* x, F&& f) {
  for (int64_t r = 0; r < run.rows; ++r) {
    const uint8_t* tap = x + r * run.row_stride;
    for (int64_t c = 0; c < run.columns; ++c, tap += run.column_stride) f(tap);
  }
}

template <bool kSigned>
inline __m512i larger(__m512i a, __m512i b) {
  return kSigned ? _mm512_max_epi8(a, b) : _mm512_max_epu8(a, b);
}

template <bool kSigned>
void maximum_as(const PoolRun& run) {
  const __m512i least = _mm512_set1_epi8(static_cast<char>(kSigned ? -128 : 0));
  for (int64_t c = 0; c < run.channels; c += 64) {
    const int64_t rest = run.channels - c;
    const __mmask64 mask = rest >= 64 ? ~uint64_t{0} : (uint64_t{1} << rest) - 1;
    for (int64_t i = 0; i < run.pixels; ++i) {
      __m512i best = least;
      for_taps(run, run.x + i * run.step + c, [&](const uint8_t* tap) {
        best = larger<kSigned>(best, _mm512_maskz_loadu_epi8(mask, tap));
      });
      _mm512_mask_storeu_epi8(run.y + i * run.channels + c, mask, best);
    }
  }
}

/// Windows of kSide × kSide, the loops over taps unrolled.
template <bool kSigned, int kSide>
void maximum_square(const PoolRun& run) {
  for (int64_t c = 0; c < run.channels; c += 64) {
    const int64_t rest = run.channels - c;
    const __mmask64 mask = rest >= 64 ? ~uint64_t{0} : (uint64_t{1} << rest) - 1;
    const uint8_t* x = run.x + c;
    for (int64_t i = 0; i < run.pixels; ++i, x += run.step) {
      __m512i best = _mm512_maskz_loadu_epi8(mask, x);
      for (int t = 1; t < kSide * kSide; ++t) {
        const uint8_t* tap = x + t / kSide * run.row_stride + t % kSide * run.column_stride;
        best = larger<kSigned>(best, _mm512_maskz_loadu_epi8(mask, tap));
      }
      _mm512_mask_storeu_epi8(run.y + i * run.channels + c, mask, best);
    }
  }
}

template <bool kSigned>
void maximum_of(const PoolRun& run) {
  if (run.rows == 2 && run.columns == 2) return maximum_square<kSigned, 2>(run);
  if (run.rows == 3 && run.columns == 3) return maximum_square<kSigned, 3>(run);
  maximum_as<kSigned>(run);
}

void maximum(const PoolRun& run) { run.is_signed ? maximum_of<true>(run) : maximum_of<false>(run); }

/// Sixteen sums to sixteen bytes.
inline __m128i finish(__m512i sums, const PoolAverage& a) {
  const __m512i centred = _mm512_sub_epi32(sums, _mm512_set1_epi32(a.zero_sum));
  __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(centred), _mm512_set1_ps(a.multiplier));
  v = _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(a.lo)), _mm512_set1_ps(a.hi));
  return _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(a.y_zero)));
}

template <bool kSigned>
void average_as(const PoolRun& run, const PoolAverage& a) {
  for (int64_t i = 0; i < run.pixels; ++i) {
    const uint8_t* x = run.x + i * run.step;
    uint8_t* y = run.y + i * run.channels;
    for (int64_t c = 0; c < run.channels; c += 16) {
      const int64_t rest = run.channels - c;
      const auto mask = static_cast<__mmask16>(rest >= 16 ? 0xffff : (1u << rest) - 1);
      __m512i sums = _mm512_setzero_si512();
      for_taps(run, x + c, [&](const uint8_t* tap) {
        const __m128i bytes = _mm_maskz_loadu_epi8(mask, tap);
        sums = _mm512_add_epi32(
            sums, kSigned ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes));
      });
      _mm_mask_storeu_epi8(y + c, mask, finish(sums, a));
    }
  }
}

void average(const PoolRun& run, const PoolAverage& a) {
  run.is_signed ? average_as<true>(run, a) : average_as<false>(run, a);
}

}  // namespace

const PoolKernel kPoolAvx512{maximum, average};

}  // namespace octile
