// INT8 depthwise tiles with AVX2 alone.
#include "kernels/cpu/depthwise_ymm_leaf.h"
#include "kernels/cpu/dot_avx2_leaf.h"

namespace octile {
namespace {

constexpr GemmKernel kList[] = {
    {kDepthwiseRows,
     32,
     {depthwise_variant<Signed<true>>(), depthwise_variant<Signed<false>>(),
      depthwise_variant<SevenBit>()},
     true}};

}  // namespace

const GemmKernels kDepthwiseAvx2{kList, 1};

}  // namespace octile
