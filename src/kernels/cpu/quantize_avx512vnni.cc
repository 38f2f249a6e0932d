// AVX-512 row of quantize_kernel.h. Sixteen floats a vector; tails are masked.
#include <immintrin.h>

#include "kernels/cpu/quantize_kernel.h"

namespace octile {
namespace {

constexpr float kLargest = 0x1.fffffep127f;  // finite

inline __mmask16 mask_of(int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffff : (1u << count) - 1);
}

/// Divides by the scale, as vdivps does (16 cycles a vector) but by the reciprocal and one
/// correction: q = x · r, then q + (x − q · s) · r is the correctly rounded quotient by Markstein's
/// theorem, unless s has all bits set or something under- or overflows. Quotients of quantization
/// are clamped far within ±kMost, so x may be as well.
class Divider {
 public:
  explicit Divider(float scale)
      : scale_(_mm512_set1_ps(scale)),
        reciprocal_(_mm512_set1_ps(1.0f / scale)),
        most_(_mm512_set1_ps(kMost * scale)),
        least_(_mm512_set1_ps(-kMost * scale)) {
    uint32_t bits = 0;
    __builtin_memcpy(&bits, &scale, sizeof(bits));
    quick_ = scale > 0x1p-60f && scale < 0x1p60f && (bits & 0x7fffff) != 0x7fffff;
  }
  __m512 operator()(__m512 x) const {
    if (!quick_) return _mm512_div_ps(x, scale_);
    x = _mm512_min_ps(_mm512_max_ps(x, least_), most_);  // NaN becomes the least
    const __m512 q = _mm512_mul_ps(x, reciprocal_);
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(q, scale_, x), reciprocal_, q);
  }

 private:
  static constexpr float kMost = 1024.0f;
  __m512 scale_, reciprocal_, most_, least_;
  bool quick_;
};

/// Sixteen quantized bytes.
inline __m128i quantize16(__m512 x, const Divider& quotient, const QuantizeArguments& a) {
  __m512 v = quotient(x);
  v = _mm512_max_ps(v, _mm512_set1_ps(a.lo));  // NaN gives lo
  v = _mm512_min_ps(v, _mm512_set1_ps(a.hi));
  return _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(a.zero)));
}

void quantize(const float* x, int64_t count, const QuantizeArguments& a, uint8_t* y) {
  const Divider quotient(a.scale);
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i),
                     quantize16(_mm512_loadu_ps(x + i), quotient, a));
  }
  if (i == count) return;
  const __mmask16 mask = mask_of(count - i);
  _mm_mask_storeu_epi8(y + i, mask, quantize16(_mm512_maskz_loadu_ps(mask, x + i), quotient, a));
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
  const Divider quotient(a.scale);
  int64_t p = 0;
  for (; channels == 3 && p + 16 <= count; p += 16) {
    interleave3(quantize16(_mm512_loadu_ps(x + p), quotient, a),
                quantize16(_mm512_loadu_ps(x + plane + p), quotient, a),
                quantize16(_mm512_loadu_ps(x + 2 * plane + p), quotient, a), y + p * 3);
  }
  for (; p < count; p += 16) {
    const int64_t n = count - p < 16 ? count - p : 16;
    for (int64_t c = 0; c < channels; ++c) {
      alignas(16) uint8_t buffer[16];
      const __m512 v = _mm512_maskz_loadu_ps(mask_of(n), x + c * plane + p);
      _mm_store_si128(reinterpret_cast<__m128i*>(buffer), quantize16(v, quotient, a));
      for (int64_t i = 0; i < n; ++i) y[(p + i) * channels + c] = buffer[i];
    }
  }
}

/// x where it is finite, else 0, which is in every range.
inline __m512 finite_or_zero(__m512 x) {
  const __m512 most = _mm512_set1_ps(kLargest);
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(_mm512_abs_ps(x), most, _CMP_LE_OQ), x);
}

void range(const float* x, int64_t count, float* least, float* largest) {
  __m512 low[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()}, high[2] = {low[0], low[0]};
  int64_t i = 0;
  for (; i + 32 <= count; i += 32) {
    for (int j = 0; j < 2; ++j) {
      const __m512 v = finite_or_zero(_mm512_loadu_ps(x + i + 16 * j));
      low[j] = _mm512_min_ps(v, low[j]);
      high[j] = _mm512_max_ps(v, high[j]);
    }
  }
  for (; i < count; i += 16) {
    const __m512 v = finite_or_zero(_mm512_maskz_loadu_ps(mask_of(count - i), x + i));
    low[0] = _mm512_min_ps(v, low[0]);
    high[0] = _mm512_max_ps(v, high[0]);
  }
  *least = _mm512_reduce_min_ps(_mm512_min_ps(low[0], low[1]));
  *largest = _mm512_reduce_max_ps(_mm512_max_ps(high[0], high[1]));
}

template <bool kSigned>
void dequantize_as(const uint8_t* x, int64_t count, float scale, int32_t zero, float* y) {
  for (int64_t i = 0; i < count; i += 16) {
    const __mmask16 mask = mask_of(count - i);
    const __m128i bytes = _mm_maskz_loadu_epi8(mask, x + i);
    const __m512i q = kSigned ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
    const __m512 v = _mm512_cvtepi32_ps(_mm512_sub_epi32(q, _mm512_set1_epi32(zero)));
    _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(_mm512_set1_ps(scale), v));
  }
}

void dequantize(const uint8_t* x, bool is_signed, int64_t count, float scale, int32_t zero,
                float* y) {
  is_signed ? dequantize_as<true>(x, count, scale, zero, y)
            : dequantize_as<false>(x, count, scale, zero, y);
}

}  // namespace

const QuantizeKernel kQuantizeAvx512{quantize, interleave, range, dequantize};

}  // namespace octile
