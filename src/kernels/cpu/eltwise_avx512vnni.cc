// AVX-512 row of eltwise_kernel.h: 64 values a step, the rest sixteen a step with a masked tail.
#include <immintrin.h>

#include "kernels/cpu/eltwise_kernel.h"

namespace octile {
namespace {

template <bool kSigned>
inline __m512i widen(__m128i bytes, int32_t zero) {
  const __m512i q = kSigned ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
  return _mm512_sub_epi32(q, _mm512_set1_epi32(zero));
}

template <bool kAdd>
inline __m512 combine(__m512i a, __m512i b, const EltwiseArguments& g) {
  if (!kAdd) {
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_mullo_epi32(a, b)), _mm512_set1_ps(g.m_a));
  }
  const __m512 left = _mm512_mul_ps(_mm512_cvtepi32_ps(a), _mm512_set1_ps(g.m_a));
  const __m512 right = _mm512_mul_ps(_mm512_cvtepi32_ps(b), _mm512_set1_ps(g.m_b));
  return _mm512_add_ps(left, right);
}

inline __m128i finish(__m512 v, const EltwiseArguments& g) {
  v = _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(g.lo)), _mm512_set1_ps(g.hi));
  return _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(g.y_zero)));
}

template <bool kAdd, bool kASigned, bool kBSigned>
void run_as(const uint8_t* a, const uint8_t* b, int64_t count, const EltwiseArguments& g,
            uint8_t* y) {
  for (int64_t i = 0; i < count; i += 16) {
    const int64_t rest = count - i;
    const auto mask = static_cast<__mmask16>(rest >= 16 ? 0xffff : (1u << rest) - 1);
    const __m512i left = widen<kASigned>(_mm_maskz_loadu_epi8(mask, a + i), g.a_zero);
    const __m512i right = widen<kBSigned>(_mm_maskz_loadu_epi8(mask, b + i), g.b_zero);
    _mm_mask_storeu_epi8(y + i, mask, finish(combine<kAdd>(left, right, g), g));
  }
}

/// Bytes are unpacked against 0x00 and 0x4b00, which makes floats of them at once: the bits of
/// 2^23 + q. Packing undoes the order that unpacking left.
template <bool kAdd>
struct Wide {
  const EltwiseArguments& g;
  bool y_signed;
  __m512 a_base, b_base;  // 2^23 + zero (+ 128: signed bytes are flipped)
  __m512i a_flip, b_flip, y_flip, zero, lo, hi;

  explicit Wide(const EltwiseArguments& arguments)
      : g(arguments), y_signed(g.lo + static_cast<float>(g.y_zero) < 0.0f) {
    const auto flip = [](bool on) { return _mm512_set1_epi8(static_cast<char>(on ? 0x80 : 0)); };
    const auto base = [](int32_t z, bool on) {
      return _mm512_set1_ps(0x1p23f + static_cast<float>(z + (on ? 128 : 0)));
    };
    a_base = base(g.a_zero, g.a_signed);
    b_base = base(g.b_zero, g.b_signed);
    a_flip = flip(g.a_signed);
    b_flip = flip(g.b_signed);
    y_flip = flip(y_signed);
    const int z = g.y_zero + (y_signed ? 128 : 0);
    zero = _mm512_set1_epi16(static_cast<int16_t>(z));
    lo = _mm512_set1_epi8(static_cast<char>(static_cast<int>(g.lo) + z));
    hi = _mm512_set1_epi8(static_cast<char>(static_cast<int>(g.hi) + z));
  }

  /// No value leaves int32, so that the clamp may come after rounding.
  static bool fits(const EltwiseArguments& g) {
    constexpr float kLargest = 255.0f;  // |q − z|
    const float most = kAdd ? g.m_a + g.m_b : kLargest * g.m_a;
    return kLargest * most < 0x1p30f;
  }

  __m512i value(__m512i a, __m512i b) const {
    const __m512 left = _mm512_sub_ps(_mm512_castsi512_ps(a), a_base);
    const __m512 right = _mm512_sub_ps(_mm512_castsi512_ps(b), b_base);
    const __m512 m_a = _mm512_set1_ps(g.m_a);
    if (!kAdd) return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_mul_ps(left, right), m_a));
    return _mm512_cvtps_epi32(
        _mm512_add_ps(_mm512_mul_ps(left, m_a), _mm512_mul_ps(right, _mm512_set1_ps(g.m_b))));
  }
  __m512i eight_words(__m512i a, __m512i b) const {  // of each 128-bit part
    const __m512i magic = _mm512_set1_epi16(0x4b00);
    const __m512i low = value(_mm512_unpacklo_epi16(a, magic), _mm512_unpacklo_epi16(b, magic));
    const __m512i high = value(_mm512_unpackhi_epi16(a, magic), _mm512_unpackhi_epi16(b, magic));
    return _mm512_adds_epi16(_mm512_packs_epi32(low, high), zero);
  }
  void store(const uint8_t* a, const uint8_t* b, uint8_t* y) const {
    const __m512i none = _mm512_setzero_si512();
    const __m512i p = _mm512_xor_si512(_mm512_loadu_si512(a), a_flip);
    const __m512i q = _mm512_xor_si512(_mm512_loadu_si512(b), b_flip);
    const __m512i low = eight_words(_mm512_unpacklo_epi8(p, none), _mm512_unpacklo_epi8(q, none));
    const __m512i high = eight_words(_mm512_unpackhi_epi8(p, none), _mm512_unpackhi_epi8(q, none));
    const __m512i bytes = _mm512_packus_epi16(low, high);
    _mm512_storeu_si512(y,
                        _mm512_xor_si512(_mm512_min_epu8(_mm512_max_epu8(bytes, lo), hi), y_flip));
  }
};

template <bool kAdd>
void run(const uint8_t* a, const uint8_t* b, int64_t count, const EltwiseArguments& g, uint8_t* y) {
  int64_t i = 0;
  if (Wide<kAdd>::fits(g)) {
    const Wide<kAdd> wide(g);
    for (; i + 64 <= count; i += 64) wide.store(a + i, b + i, y + i);
  }
  a += i, b += i, y += i, count -= i;
  if (g.a_signed) {
    g.b_signed ? run_as<kAdd, true, true>(a, b, count, g, y)
               : run_as<kAdd, true, false>(a, b, count, g, y);
  } else {
    g.b_signed ? run_as<kAdd, false, true>(a, b, count, g, y)
               : run_as<kAdd, false, false>(a, b, count, g, y);
  }
}

}  // namespace

const EltwiseKernel kEltwiseAvx512{run<true>, run<false>};

}  // namespace octile
