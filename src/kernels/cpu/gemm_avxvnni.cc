// INT8 tiles with AVX-VNNI: client CPUs without AVX-512.
#include "kernels/cpu/dot_avxvnni_leaf.h"
#include "kernels/cpu/gemm_ymm_leaf.h"

namespace octile {
namespace {

template <int kVectors>
constexpr GemmKernel kernel() {
  return {6,
          8 * kVectors,
          {variant<Vnni<0>, kVectors>(false), variant<Vnni<128>, kVectors>(true),
           variant<Vnni<0>, kVectors>(false)}};
}

constexpr GemmKernel kList[] = {kernel<2>(), kernel<1>()};

}  // namespace

const GemmKernels kGemmAvxVnni{kList, 2};

}  // namespace octile
