// INT8 depthwise rows with AVX-512 VNNI: 64 channels of one pixel a register, 32 of two or 16 of
// four (depthwise_leaf.h).
//
// 128 outputs of a 3×3 window at stride 1 (two rows, 64 channels) cost on the two 512-bit ports
// 8 unpack, 24 vpdpbusd, 2 · 8 to scale and round (3 · 8 without ReLU), 6 pack and 2 (or 10) to
// clamp: 28 or 36 cycles.
#include <immintrin.h>

#include "kernels/cpu/depthwise_leaf.h"

namespace octile {
namespace {

template <bool kFlip>
struct Zmm {
  using V = __m512i;
  using F = __m512;
  static constexpr int kInts = 16, kParts = 4;
  static constexpr int kOutputs = 8;  // columns × rows of a tile
  static constexpr int32_t kShift = kFlip ? 128 : 0;
  static constexpr bool kFused = true;

  static V load(const void* p) { return _mm512_loadu_si512(p); }
  static F load_floats(const float* p) { return _mm512_loadu_ps(p); }
  static V set8(uint8_t x) { return _mm512_set1_epi8(static_cast<char>(x)); }
  static V set16(int16_t x) { return _mm512_set1_epi16(x); }
  static V set32(int32_t x) { return _mm512_set1_epi32(x); }
  static F set_float(float x) { return _mm512_set1_ps(x); }
  static V low8(V a, V b) { return _mm512_unpacklo_epi8(a, b); }
  static V high8(V a, V b) { return _mm512_unpackhi_epi8(a, b); }
  static V low16(V a, V b) { return _mm512_unpacklo_epi16(a, b); }
  static V high16(V a, V b) { return _mm512_unpackhi_epi16(a, b); }
  static V bit_xor(V a, V b) { return _mm512_xor_si512(a, b); }
  static V min8(V a, V b) { return _mm512_min_epu8(a, b); }
  static V max8(V a, V b) { return _mm512_max_epu8(a, b); }
  static V adds16(V a, V b) { return _mm512_adds_epi16(a, b); }
  static V add32(V a, V b) { return _mm512_add_epi32(a, b); }
  static V sub32(V a, V b) { return _mm512_sub_epi32(a, b); }
  static V packs32(V a, V b) { return _mm512_packs_epi32(a, b); }
  static V packus16(V a, V b) { return _mm512_packus_epi16(a, b); }
  static F to_float(V a) { return _mm512_cvtepi32_ps(a); }
  static V round(F a) { return _mm512_cvtps_epi32(a); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F fused(V a, F b, F c) { return _mm512_fmsub_ps(_mm512_castsi512_ps(a), b, c); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }

  static V prepare(V x) { return kFlip ? bit_xor(x, set8(0x80)) : x; }
  static V operand(V x) { return x; }
  static V dot(V sum, V x, V w) { return _mm512_dpbusd_epi32(sum, x, w); }

  static V join(const __m128i* part) {
    V x = _mm512_inserti32x4(_mm512_castsi128_si512(part[0]), part[1], 1);
    x = _mm512_inserti32x4(x, part[2], 2);
    return _mm512_inserti32x4(x, part[3], 3);
  }
  /// One column of a slot: the bytes of all its lanes.
  template <int kLanes>
  static V load_slot(const uint8_t* const* rows, int64_t offset) {
    if (kLanes == 1) return load(rows[0] + offset);
    if (kLanes == 2) {
      const auto* low = reinterpret_cast<const __m256i*>(rows[0] + offset);
      const auto* high = reinterpret_cast<const __m256i*>(rows[kLanes - 1] + offset);
      return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256(low)),
                                _mm256_loadu_si256(high), 1);
    }
    __m128i part[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      part[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[i % kLanes] + offset));
    }
    return join(part);
  }
  template <int kLanes>
  static void store_lanes(uint8_t* const* out, int64_t offset, V bytes) {
    if (kLanes == 1) {
      _mm512_storeu_si512(out[0] + offset, bytes);
    } else if (kLanes == 2) {
      const __m256i half[2] = {_mm512_castsi512_si256(bytes), _mm512_extracti64x4_epi64(bytes, 1)};
#pragma GCC unroll 2
      for (int i = 1; i >= 0; --i) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out[i] + offset), half[i]);
      }
    } else {
      const __m128i part[4] = {_mm512_castsi512_si128(bytes), _mm512_extracti32x4_epi32(bytes, 1),
                               _mm512_extracti32x4_epi32(bytes, 2),
                               _mm512_extracti32x4_epi32(bytes, 3)};
#pragma GCC unroll 4
      for (int i = 3; i >= 0; --i) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out[i] + offset), part[i]);
      }
    }
  }

  /// Leaves dwords so that interleaving makes the straight order of them.
  static V spread(V x) {
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), x);
  }

  static V load_bytes(const uint8_t* p, bool is_signed) {
    const __m128i q = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return is_signed ? _mm512_cvtepi8_epi32(q) : _mm512_cvtepu8_epi32(q);
  }
  static void store_bytes(uint8_t* p, V q) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(q));
  }
  static void store_floats(float* p, F y) { _mm512_storeu_ps(p, y); }
};

template <int kLanes>
constexpr DepthwiseKernel kernel() {
  constexpr DepthwiseVariant plain = depthwise_variant<Zmm<false>, kLanes>();
  return {64 / kLanes, kLanes, {plain, depthwise_variant<Zmm<true>, kLanes>(), plain}};
}

constexpr DepthwiseKernel kList[] = {kernel<1>(), kernel<2>(), kernel<4>()};

}  // namespace

const DepthwiseKernels kDepthwiseKernelsAvx512Vnni{kList, 3};

}  // namespace octile
