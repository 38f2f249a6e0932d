// AVX-512 row of pool_kernel.h: 64 channels a vector for maxima, 16 for sums, tails masked.
#include <immintrin.h>

#include "kernels/cpu/pool_leaf.h"

namespace octile {
namespace {

/// Up to 64 channels of a pixel.
template <bool kSigned>
struct Wide {
  static constexpr int64_t kChannels = 64;
  __mmask64 mask;
  explicit Wide(int64_t rest) : mask(rest >= 64 ? ~uint64_t{0} : (uint64_t{1} << rest) - 1) {}
  __m512i load(const uint8_t* x) const { return _mm512_maskz_loadu_epi8(mask, x); }
  void store(uint8_t* y, __m512i v) const { _mm512_mask_storeu_epi8(y, mask, v); }
  static __m512i least() { return _mm512_set1_epi8(static_cast<char>(kSigned ? -128 : 0)); }
  static __m512i larger(__m512i a, __m512i b) {
    return kSigned ? _mm512_max_epi8(a, b) : _mm512_max_epu8(a, b);
  }
};

/// Up to 32: a wide load would touch the next cache line for nothing.
template <bool kSigned>
struct Narrow {
  static constexpr int64_t kChannels = 32;
  __mmask32 mask;
  explicit Narrow(int64_t rest) : mask(rest >= 32 ? ~uint32_t{0} : (uint32_t{1} << rest) - 1) {}
  __m256i load(const uint8_t* x) const { return _mm256_maskz_loadu_epi8(mask, x); }
  void store(uint8_t* y, __m256i v) const { _mm256_mask_storeu_epi8(y, mask, v); }
  static __m256i least() { return _mm256_set1_epi8(static_cast<char>(kSigned ? -128 : 0)); }
  static __m256i larger(__m256i a, __m256i b) {
    return kSigned ? _mm256_max_epi8(a, b) : _mm256_max_epu8(a, b);
  }
};

/// Channels [c, c + Lanes::kChannels) of all pixels, any window.
template <typename Lanes>
void maximum_block(const PoolRun& run, int64_t c) {
  const Lanes lanes(run.channels - c);
  for (int64_t i = 0; i < run.pixels; ++i) {
    auto best = Lanes::least();
    for_taps(run, run.x + i * run.step + c,
             [&](const uint8_t* tap) { best = Lanes::larger(best, lanes.load(tap)); });
    lanes.store(run.y + i * run.y_step + c, best);
  }
}

/// The same for windows of kSide × kSide, the loops over taps unrolled.
template <typename Lanes, int kSide>
void maximum_square(const PoolRun& run, int64_t c) {
  const Lanes lanes(run.channels - c);
  const uint8_t* x = run.x + c;
  for (int64_t i = 0; i < run.pixels; ++i, x += run.step) {
    auto best = lanes.load(x);
    for (int t = 1; t < kSide * kSide; ++t) {
      const uint8_t* tap = x + t / kSide * run.row_stride + t % kSide * run.column_stride;
      best = Lanes::larger(best, lanes.load(tap));
    }
    lanes.store(run.y + i * run.y_step + c, best);
  }
}

template <typename Lanes>
void maximum_lanes(const PoolRun& run, int64_t c) {
  if (run.rows == 2 && run.columns == 2) return maximum_square<Lanes, 2>(run, c);
  if (run.rows == 3 && run.columns == 3) return maximum_square<Lanes, 3>(run, c);
  maximum_block<Lanes>(run, c);
}

template <bool kSigned>
void maximum_of(const PoolRun& run) {
  int64_t c = 0;
  for (; run.channels - c > 32; c += 64) maximum_lanes<Wide<kSigned>>(run, c);
  if (c < run.channels) maximum_lanes<Narrow<kSigned>>(run, c);
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
    uint8_t* y = run.y + i * run.y_step;
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
