// Delete at the merge: gemm_tactic.cc still names the depthwise kernels of the old driver.
#include "kernels/cpu/gemm_kernel.h"

namespace octile {

const GemmKernels kDepthwiseAvx512Vnni{}, kDepthwiseAvxVnni{}, kDepthwiseAvx2{};

}  // namespace octile
