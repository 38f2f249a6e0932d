// INT8 depthwise rows with AVX2 alone, exact: no step of the sum can saturate.
//
// vpmaddubsw adds two u8 × s8 products in int16. It is exact
//   · for activations in [0, 127] and |w| ≤ 127:  2 · 127 · 127 = 32,258 ≤ 32,767
//   · for |x| ≤ 128 with the sign moved to the weight: 2 · 128 · 127 = 32,512 ≤ 32,767
// Unsigned activations become x − 128 first (shift −128). The driver refuses weights of −128.
#include "kernels/cpu/depthwise_ymm_leaf.h"

namespace octile {
namespace {

/// int32 += the four products of a lane, given as two int16 sums.
inline __m256i add_pairs(__m256i sum, __m256i pairs) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

struct SevenBit {
  static constexpr bool kFlip = false;
  static constexpr int32_t kShift = 0;
  static __m256i operand(__m256i x) { return x; }
  static __m256i dot(__m256i sum, __m256i x, __m256i w) {
    return add_pairs(sum, _mm256_maddubs_epi16(x, w));
  }
};

template <bool kFlipped>
struct Signed {
  static constexpr bool kFlip = kFlipped;
  static constexpr int32_t kShift = kFlip ? -128 : 0;
  struct Operand {
    __m256i value, magnitude;
  };
  static Operand operand(__m256i x) { return {x, _mm256_abs_epi8(x)}; }
  static __m256i dot(__m256i sum, const Operand& x, __m256i w) {
    return add_pairs(sum, _mm256_maddubs_epi16(x.magnitude, _mm256_sign_epi8(w, x.value)));
  }
};

template <int kLanes>
constexpr DepthwiseKernel kKernel = ymm_kernel<Signed<true>, Signed<false>, SevenBit, kLanes>();
constexpr DepthwiseKernel kList[] = {kKernel<1>, kKernel<2>};

}  // namespace

const DepthwiseKernels kDepthwiseKernelsAvx2{kList, 2};

}  // namespace octile
