// INT8 tiles with AVX2 alone.
#include "kernels/cpu/dot_avx2_leaf.h"
#include "kernels/cpu/gemm_ymm_leaf.h"

namespace octile {
namespace {

template <int kRows, int kVectors>
constexpr GemmKernel kernel() {
  return {kRows,
          8 * kVectors,
          {variant<Signed<-128>, kVectors>(true), variant<Signed<0>, kVectors>(false),
           variant<SevenBit, kVectors>(false)}};
}

constexpr GemmKernel kList[] = {kernel<4, 2>(), kernel<6, 1>()};

}  // namespace

const GemmKernels kGemmAvx2{kList, 2};

}  // namespace octile
