// INT8 tiles with AVX-VNNI: client CPUs without AVX-512.
#include "kernels/cpu/dot_avxvnni_leaf.h"
#include "kernels/cpu/gemm_ymm_leaf.h"

namespace octile {
namespace {

template <int kRows, int kVectors>
constexpr GemmKernel kernel() {
  return {kRows,
          8 * kVectors,
          {variant<Vnni<false>, kRows, kVectors>(), variant<Vnni<true>, kRows, kVectors>(),
           variant<Vnni<false>, kRows, kVectors>()}};
}

constexpr GemmKernel kList[] = {kernel<4, 3>(), kernel<6, 2>(), kernel<8, 1>()};

}  // namespace

const GemmKernels kGemmAvxVnni{kList, 3};

}  // namespace octile
