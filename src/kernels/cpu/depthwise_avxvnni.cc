// INT8 depthwise tiles with AVX-VNNI.
#include "kernels/cpu/depthwise_ymm_leaf.h"
#include "kernels/cpu/dot_avxvnni_leaf.h"

namespace octile {
namespace {

constexpr GemmKernel kList[] = {{kDepthwiseRows,
                                 32,
                                 {depthwise_variant<Vnni<false>>(), depthwise_variant<Vnni<true>>(),
                                  depthwise_variant<Vnni<false>>()},
                                 true}};

}  // namespace

const GemmKernels kDepthwiseAvxVnni{kList, 1};

}  // namespace octile
