// INT8 tiles with vpdpbusd on 256-bit registers (AVX-VNNI): client CPUs without AVX-512.
#include <immintrin.h>

#include "kernels/cpu/gemm_ymm_leaf.h"

namespace octile {
namespace {

template <bool kFlip>
struct Vnni {
  static constexpr int32_t kShift = kFlip ? 128 : 0;
  using Operand = __m256i;
  static Operand prepare(int32_t four) {
    return _mm256_set1_epi32(kFlip ? four ^ static_cast<int32_t>(0x80808080u) : four);
  }
  static __m256i add(__m256i sum, Operand a, __m256i w) {
    return _mm256_dpbusd_avx_epi32(sum, a, w);
  }
};

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
