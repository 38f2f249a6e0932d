// Four products a lane with vpdpbusd on 256-bit registers (AVX-VNNI): u8 × s8, no saturation.
// Signed activations are flipped to x + 128 on the way (shift 128). Leaf files alone include this.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace octile {
namespace {

template <bool kFlip>
struct Vnni {
  static constexpr int32_t kShift = kFlip ? 128 : 0;
  using Operand = __m256i;
  static Operand prepare(__m256i x) {
    return kFlip ? _mm256_xor_si256(x, _mm256_set1_epi8(static_cast<char>(0x80))) : x;
  }
  static __m256i add(__m256i sum, Operand a, __m256i w) {
    return _mm256_dpbusd_avx_epi32(sum, a, w);
  }
};

}  // namespace
}  // namespace octile
