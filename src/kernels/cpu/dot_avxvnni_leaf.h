// Four products a lane with vpdpbusd on 256-bit registers (AVX-VNNI): u8 × s8, no saturation.
// The driver hands signed activations over as x + 128 (shift 128). Leaf files alone include this.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace octile {
namespace {

/// Bytes are read as unsigned; what they are more than the activations is kAdded.
template <int32_t kAdded>
struct Vnni {
  static constexpr int32_t kShift = kAdded;
  using Operand = __m256i;
  static Operand prepare(__m256i x) { return x; }
  static __m256i add(__m256i sum, Operand a, __m256i w) {
    return _mm256_dpbusd_avx_epi32(sum, a, w);
  }
};

}  // namespace
}  // namespace octile
