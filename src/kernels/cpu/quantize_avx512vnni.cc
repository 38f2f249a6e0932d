// AVX-512 row of quantize_kernel.h. Sixteen floats a vector; tails are masked.
#include <immintrin.h>

#include "kernels/cpu/quantize_kernel.h"

namespace octile {
namespace {

constexpr float kLargest = 0x1.fffffep127f;  // finite

inline __mmask16 mask_of(int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffff : (1u << count) - 1);
}

/// x / scale, rounded once as a division rounds, from the reciprocal r = RN(1 / scale). By
/// Markstein's theorem RN(q + r · (x − q · scale)) is the quotient where q is one of its two
/// neighbours, which a first step of the same kind makes sure; unless the scale's mantissa is all
/// ones or something underflows: those scales are divided by. Sixteen divisions take 16 cycles,
/// this takes 4.
struct Divisor {
  explicit Divisor(const QuantizeArguments& a)
      : scale(_mm512_set1_ps(a.scale)),
        reciprocal(_mm512_set1_ps(1.0f / a.scale)),
        most(_mm512_set1_ps(0x1p10f * a.scale)) {
    uint32_t bits;
    __builtin_memcpy(&bits, &a.scale, sizeof(bits));
    exact = a.scale > 0x1p-64f && a.scale < 0x1p64f && (bits & 0x7fffff) != 0x7fffff;
  }
  /// Quotients beyond 2^10, which the clamp cuts off anyway, are cut there: no infinities.
  __m512 quotient(__m512 x) const {
    if (!exact) return cut(_mm512_div_ps(x, scale), _mm512_set1_ps(0x1p10f));
    x = cut(x, most);
    __m512 q = _mm512_mul_ps(x, reciprocal);
    q = _mm512_fmadd_ps(_mm512_fnmadd_ps(q, scale, x), reciprocal, q);
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(q, scale, x), reciprocal, q);
  }
  /// x in [−most, most]; NaN gives −most.
  static __m512 cut(__m512 x, __m512 most) {
    x = _mm512_max_ps(x, _mm512_sub_ps(_mm512_setzero_ps(), most));
    return _mm512_min_ps(x, most);
  }
  __m512 scale, reciprocal, most;
  bool exact;
};

/// Sixteen quantized bytes.
inline __m128i quantize16(__m512 x, const QuantizeArguments& a, const Divisor& divisor) {
  __m512 v = divisor.quotient(x);
  v = _mm512_max_ps(v, _mm512_set1_ps(a.lo));  // NaN gives lo
  v = _mm512_min_ps(v, _mm512_set1_ps(a.hi));
  return _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(a.zero)));
}

/// Sixty-four at once, clamped as bytes: a rounded quotient of at most 2^10 fits int16. Results
/// that may be negative are made as y + 128.
struct Finish {
  explicit Finish(const QuantizeArguments& a) {
    const int32_t lowest = static_cast<int32_t>(a.lo) + a.zero, up = lowest < 0 ? 128 : 0;
    zero = _mm512_set1_epi16(static_cast<int16_t>(a.zero + up));
    lo = _mm512_set1_epi8(static_cast<char>(lowest + up));
    hi = _mm512_set1_epi8(static_cast<char>(static_cast<int32_t>(a.hi) + a.zero + up));
    flip = _mm512_set1_epi8(static_cast<char>(up));
  }
  __m512i bytes(const __m512i* q) const {
    const __m512i low = _mm512_add_epi16(_mm512_packs_epi32(q[0], q[1]), zero);
    const __m512i high = _mm512_add_epi16(_mm512_packs_epi32(q[2], q[3]), zero);
    __m512i y = _mm512_packus_epi16(low, high);  // in parts of four
    y = _mm512_xor_si512(_mm512_min_epu8(_mm512_max_epu8(y, lo), hi), flip);
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), y);
  }
  __m512i zero, lo, hi, flip;
};

void quantize(const float* x, int64_t count, const QuantizeArguments& a, uint8_t* y) {
  const Divisor divisor(a);
  const Finish finish(a);
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
    __m512i q[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      q[j] = _mm512_cvtps_epi32(divisor.quotient(_mm512_loadu_ps(x + i + 16 * j)));
    }
    _mm512_storeu_si512(y + i, finish.bytes(q));
  }
  for (; i < count; i += 16) {
    const __mmask16 mask = mask_of(count - i);
    _mm_mask_storeu_epi8(y + i, mask, quantize16(_mm512_maskz_loadu_ps(mask, x + i), a, divisor));
  }
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
  const Divisor divisor(a);
  int64_t p = 0;
  for (; channels == 3 && p + 16 <= count; p += 16) {
    interleave3(quantize16(_mm512_loadu_ps(x + p), a, divisor),
                quantize16(_mm512_loadu_ps(x + plane + p), a, divisor),
                quantize16(_mm512_loadu_ps(x + 2 * plane + p), a, divisor), y + p * 3);
  }
  for (; p < count; p += 16) {
    const int64_t n = count - p < 16 ? count - p : 16;
    for (int64_t c = 0; c < channels; ++c) {
      alignas(16) uint8_t buffer[16];
      const __m512 v = _mm512_maskz_loadu_ps(mask_of(n), x + c * plane + p);
      _mm_store_si128(reinterpret_cast<__m128i*>(buffer), quantize16(v, a, divisor));
      for (int64_t i = 0; i < n; ++i) y[(p + i) * channels + c] = buffer[i];
    }
  }
}

/// x where it is finite, else 0, which is in every range.
inline __m512 finite_or_zero(__m512 x) {
  const __m512 most = _mm512_set1_ps(kLargest);
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(_mm512_abs_ps(x), most, _CMP_LE_OQ), x);
}

/// NaNs do not count: min and max give their second operand then.
template <bool kFinite>
void range_of(const float* x, int64_t count, float* least, float* largest) {
  const auto take = [](__m512 v, __m512& low, __m512& high) {
    if (!kFinite) v = finite_or_zero(v);
    low = _mm512_min_ps(v, low);
    high = _mm512_max_ps(v, high);
  };
  __m512 low[4], high[4];
  for (int j = 0; j < 4; ++j) low[j] = high[j] = _mm512_setzero_ps();
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) take(_mm512_loadu_ps(x + i + 16 * j), low[j], high[j]);
  }
  for (; i < count; i += 16) {
    take(_mm512_maskz_loadu_ps(mask_of(count - i), x + i), low[0], high[0]);
  }
  for (int j = 1; j < 4; ++j) {
    low[0] = _mm512_min_ps(low[0], low[j]);
    high[0] = _mm512_max_ps(high[0], high[j]);
  }
  *least = _mm512_reduce_min_ps(low[0]);
  *largest = _mm512_reduce_max_ps(high[0]);
}

/// Infinities are rare: values are judged one by one only where there is one.
void range(const float* x, int64_t count, float* least, float* largest) {
  range_of<true>(x, count, least, largest);
  if (*least < -kLargest || *largest > kLargest) range_of<false>(x, count, least, largest);
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
