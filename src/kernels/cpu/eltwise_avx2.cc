// AVX2 row of eltwise_kernel.h: 32 values a step, the rest eight a step, the tail through padded
// copies.
#include <immintrin.h>

#include "kernels/cpu/eltwise_kernel.h"

namespace octile {
namespace {

template <bool kSigned>
inline __m256i widen(const uint8_t* x, int32_t zero) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x));
  const __m256i q = kSigned ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes);
  return _mm256_sub_epi32(q, _mm256_set1_epi32(zero));
}

template <bool kAdd>
inline __m256 combine(__m256i a, __m256i b, const EltwiseArguments& g) {
  if (!kAdd) {
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_mullo_epi32(a, b)), _mm256_set1_ps(g.m_a));
  }
  const __m256 left = _mm256_mul_ps(_mm256_cvtepi32_ps(a), _mm256_set1_ps(g.m_a));
  const __m256 right = _mm256_mul_ps(_mm256_cvtepi32_ps(b), _mm256_set1_ps(g.m_b));
  return _mm256_add_ps(left, right);
}

inline void finish(__m256 v, const EltwiseArguments& g, uint8_t* y) {
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(g.lo)), _mm256_set1_ps(g.hi));
  const __m256i q = _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(g.y_zero));
  // byte 0 of each value, gathered into the low 4 bytes of each half
  const __m256i low = _mm256_shuffle_epi8(
      q, _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,  //
                          0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  const __m128i joined =
      _mm_unpacklo_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(y), joined);
}

template <bool kAdd, bool kASigned, bool kBSigned>
void run_as(const uint8_t* a, const uint8_t* b, int64_t count, const EltwiseArguments& g,
            uint8_t* y) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    finish(combine<kAdd>(widen<kASigned>(a + i, g.a_zero), widen<kBSigned>(b + i, g.b_zero), g), g,
           y + i);
  }
  if (i == count) return;
  uint8_t rest_a[8] = {}, rest_b[8] = {}, rest_y[8];
  for (int64_t k = 0; k < count - i; ++k) {
    rest_a[k] = a[i + k];
    rest_b[k] = b[i + k];
  }
  finish(combine<kAdd>(widen<kASigned>(rest_a, g.a_zero), widen<kBSigned>(rest_b, g.b_zero), g), g,
         rest_y);
  for (int64_t k = 0; k < count - i; ++k) y[i + k] = rest_y[k];
}

/// Bytes are unpacked against 0x00 and 0x4b00, which makes floats of them at once: the bits of
/// 2^23 + q. Packing undoes the order that unpacking left.
template <bool kAdd>
struct Wide {
  const EltwiseArguments& g;
  bool y_signed;
  __m256 a_base, b_base;  // 2^23 + zero (+ 128: signed bytes are flipped)
  __m256i a_flip, b_flip, y_flip, zero, lo, hi;

  explicit Wide(const EltwiseArguments& arguments)
      : g(arguments), y_signed(g.lo + static_cast<float>(g.y_zero) < 0.0f) {
    const auto flip = [](bool on) { return _mm256_set1_epi8(static_cast<char>(on ? 0x80 : 0)); };
    const auto base = [](int32_t z, bool on) {
      return _mm256_set1_ps(0x1p23f + static_cast<float>(z + (on ? 128 : 0)));
    };
    a_base = base(g.a_zero, g.a_signed);
    b_base = base(g.b_zero, g.b_signed);
    a_flip = flip(g.a_signed);
    b_flip = flip(g.b_signed);
    y_flip = flip(y_signed);
    const int z = g.y_zero + (y_signed ? 128 : 0);
    zero = _mm256_set1_epi16(static_cast<int16_t>(z));
    lo = _mm256_set1_epi8(static_cast<char>(static_cast<int>(g.lo) + z));
    hi = _mm256_set1_epi8(static_cast<char>(static_cast<int>(g.hi) + z));
  }

  /// No value leaves int32, so that the clamp may come after rounding.
  static bool fits(const EltwiseArguments& g) {
    constexpr float kLargest = 255.0f;  // |q − z|
    const float most = kAdd ? g.m_a + g.m_b : kLargest * g.m_a;
    return kLargest * most < 0x1p30f;
  }

  __m256i value(__m256i a, __m256i b) const {
    const __m256 left = _mm256_sub_ps(_mm256_castsi256_ps(a), a_base);
    const __m256 right = _mm256_sub_ps(_mm256_castsi256_ps(b), b_base);
    const __m256 m_a = _mm256_set1_ps(g.m_a);
    if (!kAdd) return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_mul_ps(left, right), m_a));
    return _mm256_cvtps_epi32(
        _mm256_add_ps(_mm256_mul_ps(left, m_a), _mm256_mul_ps(right, _mm256_set1_ps(g.m_b))));
  }
  __m256i eight_words(__m256i a, __m256i b) const {  // of each 128-bit part
    const __m256i magic = _mm256_set1_epi16(0x4b00);
    const __m256i low = value(_mm256_unpacklo_epi16(a, magic), _mm256_unpacklo_epi16(b, magic));
    const __m256i high = value(_mm256_unpackhi_epi16(a, magic), _mm256_unpackhi_epi16(b, magic));
    return _mm256_adds_epi16(_mm256_packs_epi32(low, high), zero);
  }
  void store(const uint8_t* a, const uint8_t* b, uint8_t* y) const {
    const __m256i none = _mm256_setzero_si256();
    const __m256i p =
        _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a)), a_flip);
    const __m256i q =
        _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b)), b_flip);
    const __m256i low = eight_words(_mm256_unpacklo_epi8(p, none), _mm256_unpacklo_epi8(q, none));
    const __m256i high = eight_words(_mm256_unpackhi_epi8(p, none), _mm256_unpackhi_epi8(q, none));
    const __m256i bytes = _mm256_packus_epi16(low, high);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y),
                        _mm256_xor_si256(_mm256_min_epu8(_mm256_max_epu8(bytes, lo), hi), y_flip));
  }
};

template <bool kAdd>
void run(const uint8_t* a, const uint8_t* b, int64_t count, const EltwiseArguments& g, uint8_t* y) {
  int64_t i = 0;
  if (Wide<kAdd>::fits(g)) {
    const Wide<kAdd> wide(g);
    for (; i + 32 <= count; i += 32) wide.store(a + i, b + i, y + i);
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

const EltwiseKernel kEltwiseAvx2{run<true>, run<false>};

}  // namespace octile
