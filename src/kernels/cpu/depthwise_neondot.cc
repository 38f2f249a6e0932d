// INT8 depthwise rows with NEON's dot products: SDOT, s8 × s8, no saturation.
#include "kernels/cpu/depthwise_neon_leaf.h"

namespace octile {
namespace {

template <bool kFlipped>
struct Dot {
  static constexpr bool kFlip = kFlipped;
  static constexpr int32_t kShift = kFlip ? -128 : 0;
  static int32x4_t four(int32x4_t sum, int8x16_t x, int8x16_t w) { return vdotq_s32(sum, x, w); }
};

constexpr DepthwiseKernel kList[] = {neon_kernel<Dot<true>, Dot<false>>()};

}  // namespace

const DepthwiseKernels kDepthwiseKernelsNeonDot{kList, 1};

}  // namespace octile
