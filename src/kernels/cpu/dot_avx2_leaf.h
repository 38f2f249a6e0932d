// Four products a lane with AVX2 alone, exact: no step of the sum can saturate. Policies of the
// 256-bit leaves (gemm_ymm_leaf.h, depthwise_ymm_leaf.h); leaf files alone include this.
//
// vpmaddubsw adds two u8 × s8 products in int16. It is exact
//   · for activations in [0, 127] and |w| ≤ 127:  2 · 127 · 127 = 32,258 ≤ 32,767
//   · for |x| ≤ 128 with the sign moved to the weight: 2 · 128 · 127 = 32,512 ≤ 32,767
// The driver hands unsigned activations over as x − 128 (shift −128). The driver refuses weights of
// −128.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace octile {
namespace {

/// int32 += the four products of a lane, given as two int16 sums.
inline __m256i add_pairs(__m256i sum, __m256i pairs) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

struct SevenBit {
  static constexpr int32_t kShift = 0;
  using Operand = __m256i;
  static Operand prepare(__m256i x) { return x; }
  static __m256i add(__m256i sum, Operand a, __m256i w) {
    return add_pairs(sum, _mm256_maddubs_epi16(a, w));
  }
};

template <int32_t kAdded>
struct Signed {
  static constexpr int32_t kShift = kAdded;
  struct Operand {
    __m256i value, magnitude;
  };
  static Operand prepare(__m256i x) { return {x, _mm256_abs_epi8(x)}; }
  static __m256i add(__m256i sum, const Operand& a, __m256i w) {
    return add_pairs(sum, _mm256_maddubs_epi16(a.magnitude, _mm256_sign_epi8(w, a.value)));
  }
};

}  // namespace
}  // namespace octile
