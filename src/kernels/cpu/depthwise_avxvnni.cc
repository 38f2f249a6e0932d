// INT8 depthwise rows with AVX-VNNI: vpdpbusd on 256 bits. Signed activations become x + 128.
#include "kernels/cpu/depthwise_ymm_leaf.h"

namespace octile {
namespace {

template <bool kFlipped>
struct Vnni {
  static constexpr bool kFlip = kFlipped;
  static constexpr int32_t kShift = kFlip ? 128 : 0;
  static __m256i operand(__m256i x) { return x; }
  static __m256i dot(__m256i sum, __m256i x, __m256i w) {
    return _mm256_dpbusd_avx_epi32(sum, x, w);
  }
};

template <int kLanes>
constexpr DepthwiseKernel kKernel = ymm_kernel<Vnni<false>, Vnni<true>, Vnni<false>, kLanes>();
constexpr DepthwiseKernel kList[] = {kKernel<1>, kKernel<2>};

}  // namespace

const DepthwiseKernels kDepthwiseKernelsAvxVnni{kList, 2};

}  // namespace octile
