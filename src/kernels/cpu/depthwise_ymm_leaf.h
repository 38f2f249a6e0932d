// Registers and instructions of depthwise_leaf.h on 256 bits: 32 channels of one pixel a register,
// or 16 of two. Dot (depthwise_avx2.cc, depthwise_avxvnni.cc) sums four products a lane. Leaf files
// alone include this.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/depthwise_leaf.h"

namespace octile {
namespace {

template <typename Dot>
struct Ymm : Dot {
  using V = __m256i;
  using F = __m256;
  static constexpr int kInts = 8, kParts = 2;
  static constexpr int kOutputs = 4;     // columns × rows of a tile
  static constexpr bool kFused = false;  // a level of its own (FMA) that AVX2 does not imply

  static V load(const void* p) { return _mm256_loadu_si256(static_cast<const V*>(p)); }
  static F load_floats(const float* p) { return _mm256_loadu_ps(p); }
  static V set8(uint8_t x) { return _mm256_set1_epi8(static_cast<char>(x)); }
  static V set16(int16_t x) { return _mm256_set1_epi16(x); }
  static V set32(int32_t x) { return _mm256_set1_epi32(x); }
  static F set_float(float x) { return _mm256_set1_ps(x); }
  static V low8(V a, V b) { return _mm256_unpacklo_epi8(a, b); }
  static V high8(V a, V b) { return _mm256_unpackhi_epi8(a, b); }
  static V low16(V a, V b) { return _mm256_unpacklo_epi16(a, b); }
  static V high16(V a, V b) { return _mm256_unpackhi_epi16(a, b); }
  static V bit_xor(V a, V b) { return _mm256_xor_si256(a, b); }
  static V min8(V a, V b) { return _mm256_min_epu8(a, b); }
  static V max8(V a, V b) { return _mm256_max_epu8(a, b); }
  static V adds16(V a, V b) { return _mm256_adds_epi16(a, b); }
  static V add32(V a, V b) { return _mm256_add_epi32(a, b); }
  static V sub32(V a, V b) { return _mm256_sub_epi32(a, b); }
  static V packs32(V a, V b) { return _mm256_packs_epi32(a, b); }
  static V packus16(V a, V b) { return _mm256_packus_epi16(a, b); }
  static F to_float(V a) { return _mm256_cvtepi32_ps(a); }
  static V round(F a) { return _mm256_cvtps_epi32(a); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F fused(V, F b, F) { return b; }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }

  static V prepare(V x) { return Dot::kFlip ? bit_xor(x, set8(0x80)) : x; }

  static __m128i load16(const uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  /// One column of a slot: the bytes of all its lanes.
  template <int kLanes>
  static V load_slot(const uint8_t* const* rows, int64_t offset) {
    if (kLanes == 1) return load(rows[0] + offset);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load16(rows[0] + offset)),
                                   load16(rows[kLanes - 1] + offset), 1);
  }
  template <int kLanes>
  static void store_lanes(uint8_t* const* out, int64_t offset, V bytes) {
    if (kLanes == 1) {
      _mm256_storeu_si256(reinterpret_cast<V*>(out[0] + offset), bytes);
      return;
    }
    const __m128i half[2] = {_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)};
#pragma GCC unroll 2
    for (int i = 1; i >= 0; --i) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out[i] + offset), half[i]);
    }
  }

  /// Leaves dwords so that interleaving makes the straight order of them.
  static V spread(V x) {
    return _mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
  }

  static V load_bytes(const uint8_t* p, bool is_signed) {
    const __m128i q = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return is_signed ? _mm256_cvtepi8_epi32(q) : _mm256_cvtepu8_epi32(q);
  }
  static void store_bytes(uint8_t* p, V q) {
    const V pick = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0,
                                    4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const V packed = _mm256_shuffle_epi8(q, pick);
    _mm_storel_epi64(
        reinterpret_cast<__m128i*>(p),
        _mm_unpacklo_epi32(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1)));
  }
  static void store_floats(float* p, F y) { _mm256_storeu_ps(p, y); }
};

template <typename Plain, typename Signed, typename SevenBit, int kLanes>
constexpr DepthwiseKernel ymm_kernel() {
  return {32 / kLanes,
          kLanes,
          {depthwise_variant<Ymm<Plain>, kLanes>(), depthwise_variant<Ymm<Signed>, kLanes>(),
           depthwise_variant<Ymm<SevenBit>, kLanes>()}};
}

}  // namespace
}  // namespace octile
