// INT8 depthwise rows with NEON alone: SMULL gives products in int16 (at most 2^14), which are
// added in pairs to int32 and again, so that nothing can wrap before the sum.
#include "kernels/cpu/depthwise_neon_leaf.h"

namespace octile {
namespace {

template <bool kFlipped>
struct Widen {
  static constexpr bool kFlip = kFlipped;
  static constexpr int32_t kShift = kFlip ? -128 : 0;
  static int32x4_t four(int32x4_t sum, int8x16_t x, int8x16_t w) {
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(x), vget_low_s8(w)));
    const int32x4_t high = vpaddlq_s16(vmull_high_s8(x, w));
    return vaddq_s32(sum, vpaddq_s32(low, high));
  }
};

constexpr DepthwiseKernel kList[] = {neon_kernel<Widen<true>, Widen<false>>()};

}  // namespace

const DepthwiseKernels kDepthwiseKernelsNeon{kList, 1};

}  // namespace octile
