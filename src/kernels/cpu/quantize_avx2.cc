// AVX2 row of quantize_kernel.h. Eight floats a vector; tails go through padded copies.
#include <immintrin.h>

#include "kernels/cpu/byte_leaf.h"
#include "kernels/cpu/quantize_kernel.h"

namespace octile {
namespace {

constexpr float kLargest = 0x1.fffffep127f;  // finite

/// Eight quantized values as int32 in [-128, 255].
inline __m256i quantize8(__m256 x, const QuantizeArguments& a) {
  __m256 v = _mm256_div_ps(x, _mm256_set1_ps(a.scale));
  v = _mm256_max_ps(v, _mm256_set1_ps(a.lo));  // NaN gives lo
  v = _mm256_min_ps(v, _mm256_set1_ps(a.hi));
  return _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(a.zero));
}

/// The low bytes of 16 values that fit in [-128, 255], in order.
inline __m128i low_bytes(__m256i first, __m256i second) {
  __m256i words = _mm256_packs_epi32(first, second);  // lanes interleaved
  words = _mm256_and_si256(_mm256_permute4x64_epi64(words, 0xd8), _mm256_set1_epi16(0xff));
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

inline __m128i quantize16(const float* x, const QuantizeArguments& a) {
  return low_bytes(quantize8(_mm256_loadu_ps(x), a), quantize8(_mm256_loadu_ps(x + 8), a));
}

/// The same for the first `count` < 16 values, the rest undefined.
inline __m128i quantize_tail(const float* x, int64_t count, const QuantizeArguments& a) {
  float padded[16] = {};
  for (int64_t i = 0; i < count; ++i) padded[i] = x[i];
  return quantize16(padded, a);
}

inline void store_tail(__m128i bytes, int64_t count, uint8_t* y) {
  alignas(16) uint8_t buffer[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(buffer), bytes);
  for (int64_t i = 0; i < count; ++i) y[i] = buffer[i];
}

void quantize(const float* x, int64_t count, const QuantizeArguments& a, uint8_t* y) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i), quantize16(x + i, a));
  }
  if (i < count) store_tail(quantize_tail(x + i, count - i, a), count - i, y + i);
}

/// Three vectors of one channel each as 48 bytes c0 c1 c2 c0 c1 c2 …
inline void interleave3(__m128i c0, __m128i c1, __m128i c2, uint8_t* y) {
  const auto pick = [&](const int8_t* i0, const int8_t* i1, const int8_t* i2) {
    const auto load = [](const int8_t* p) {
      return _mm_load_si128(reinterpret_cast<const __m128i*>(p));
    };
    return _mm_or_si128(
        _mm_shuffle_epi8(c0, load(i0)),
        _mm_or_si128(_mm_shuffle_epi8(c1, load(i1)), _mm_shuffle_epi8(c2, load(i2))));
  };
  constexpr int8_t n = -1;  // gives 0
  alignas(16) static const int8_t index[9][16] = {
      {0, n, n, 1, n, n, 2, n, n, 3, n, n, 4, n, n, 5},
      {n, 0, n, n, 1, n, n, 2, n, n, 3, n, n, 4, n, n},
      {n, n, 0, n, n, 1, n, n, 2, n, n, 3, n, n, 4, n},
      {n, n, 6, n, n, 7, n, n, 8, n, n, 9, n, n, 10, n},
      {5, n, n, 6, n, n, 7, n, n, 8, n, n, 9, n, n, 10},
      {n, 5, n, n, 6, n, n, 7, n, n, 8, n, n, 9, n, n},
      {n, 11, n, n, 12, n, n, 13, n, n, 14, n, n, 15, n, n},
      {n, n, 11, n, n, 12, n, n, 13, n, n, 14, n, n, 15, n},
      {10, n, n, 11, n, n, 12, n, n, 13, n, n, 14, n, n, 15}};
  auto* to = reinterpret_cast<__m128i*>(y);
  for (int i = 0; i < 3; ++i) {
    _mm_storeu_si128(to + i, pick(index[3 * i], index[3 * i + 1], index[3 * i + 2]));
  }
}

void interleave(const float* x, int64_t channels, int64_t plane, int64_t count,
                const QuantizeArguments& a, uint8_t* y) {
  int64_t p = 0;
  for (; channels == 3 && p + 16 <= count; p += 16) {
    interleave3(quantize16(x + p, a), quantize16(x + plane + p, a),
                quantize16(x + 2 * plane + p, a), y + p * 3);
  }
  for (; p < count; p += 16) {
    const int64_t n = count - p < 16 ? count - p : 16;
    for (int64_t c = 0; c < channels; ++c) {
      const float* from = x + c * plane + p;
      alignas(16) uint8_t buffer[16];
      _mm_store_si128(reinterpret_cast<__m128i*>(buffer),
                      n == 16 ? quantize16(from, a) : quantize_tail(from, n, a));
      for (int64_t i = 0; i < n; ++i) y[(p + i) * channels + c] = buffer[i];
    }
  }
}

/// x where it is finite, else 0, which is in every range.
inline __m256 finite_or_zero(__m256 x) {
  const __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
  return _mm256_and_ps(x, _mm256_cmp_ps(size, _mm256_set1_ps(kLargest), _CMP_LE_OQ));
}

/// NaNs do not count: min and max give their second operand then.
template <bool kFinite>
void range_of(const float* x, int64_t count, float* least, float* largest) {
  __m256 low[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()}, high[2] = {low[0], low[0]};
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int j = 0; j < 2; ++j) {
      __m256 v = _mm256_loadu_ps(x + i + 8 * j);
      if (!kFinite) v = finite_or_zero(v);
      low[j] = _mm256_min_ps(v, low[j]);
      high[j] = _mm256_max_ps(v, high[j]);
    }
  }
  alignas(32) float ends[4][8];
  for (int j = 0; j < 2; ++j) {
    _mm256_store_ps(ends[j], low[j]);
    _mm256_store_ps(ends[2 + j], high[j]);
  }
  float lo = 0.0f, hi = 0.0f;
  for (int j = 0; j < 16; ++j) {
    lo = ends[j / 8][j % 8] < lo ? ends[j / 8][j % 8] : lo;
    hi = ends[2 + j / 8][j % 8] > hi ? ends[2 + j / 8][j % 8] : hi;
  }
  for (; i < count; ++i) {
    if (!(x[i] >= -kLargest && x[i] <= kLargest)) continue;
    lo = x[i] < lo ? x[i] : lo;
    hi = x[i] > hi ? x[i] : hi;
  }
  *least = lo;
  *largest = hi;
}

/// Infinities are rare: values are judged one by one only where there is one.
void range(const float* x, int64_t count, float* least, float* largest) {
  range_of<true>(x, count, least, largest);
  if (*least < -kLargest || *largest > kLargest) range_of<false>(x, count, least, largest);
}

template <bool kSigned>
void dequantize_as(const uint8_t* x, int64_t count, float scale, int32_t zero, float* y) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x + i));
    const __m256i q = kSigned ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes);
    const __m256 v = _mm256_cvtepi32_ps(_mm256_sub_epi32(q, _mm256_set1_epi32(zero)));
    _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_set1_ps(scale), v));
  }
  for (; i < count; ++i) y[i] = scale * static_cast<float>(value<kSigned>(x[i]) - zero);
}

void dequantize(const uint8_t* x, bool is_signed, int64_t count, float scale, int32_t zero,
                float* y) {
  is_signed ? dequantize_as<true>(x, count, scale, zero, y)
            : dequantize_as<false>(x, count, scale, zero, y);
}

}  // namespace

const QuantizeKernel kQuantizeAvx2{quantize, interleave, range, dequantize};

}  // namespace octile
