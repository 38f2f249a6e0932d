// INT8 tiles with AVX-VNNI: client CPUs without AVX-512.
//
// vpdpbusd on 256 bits is u8 × s8 without saturation, two a cycle and five cycles long: twelve sums
// keep both units busy. Loads a group: one a vector of weights, one a row.
#include <immintrin.h>

#include "kernels/cpu/gemm_ymm_leaf.h"

namespace octile {
namespace {

struct Dots {
  template <int kRows, int kVectors>
  [[gnu::always_inline]] static void add(const GemmShape& s, const GemmCall& c,
                                         const uint8_t* const (&row)[kRows],
                                         __m256i (&acc)[kRows][kVectors]) {
    const int8_t* weights = c.weights;
    for (int64_t segment = 0; segment < s.segments; ++segment) {
      int64_t offset = s.segment_offset[segment];
      const int64_t end = offset + 4 * s.groups;
      for (; offset < end; offset += 4) {
        __m256i w[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) w[v] = load_weights(weights + 32 * v);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const __m256i x = broadcast4(row[r] + offset);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) {
            acc[r][v] = _mm256_dpbusd_avx_epi32(acc[r][v], x, w[v]);
          }
        }
        weights += 32 * kVectors;
      }
    }
  }
};

template <int kVectors, int... kRows>
constexpr GemmKernel kernel() {
  const GemmFunction* bytes = kTiles<Dots, kVectors, false, kRows...>;
  const GemmFunction* floats = kTiles<Dots, kVectors, true, kRows...>;
  return {sizeof...(kRows),
          8 * kVectors,
          {{false, 0, bytes, floats}, {true, 128, bytes, floats}, {false, 0, bytes, floats}}};
}

constexpr GemmKernel kList[] = {kernel<2, 1, 2, 3, 4, 5, 6>(), kernel<3, 1, 2, 3, 4>(),
                                kernel<1, 1, 2, 3, 4, 5, 6, 7, 8>()};

/// Measured: a column of 4 × 24 costs 1.07 times what one of 6 × 16 does, one of 8 × 8 1.3 times.
int choose(int64_t, int64_t, int64_t n) {
  constexpr int64_t kCost[] = {100, 107, 130};
  int best = 0;
  int64_t least = 0;
  for (int i = 0; i < 3; ++i) {
    const int64_t nr = kList[i].nr, cost = (n + nr - 1) / nr * nr * kCost[i];
    if (i > 0 && cost >= least) continue;
    least = cost;
    best = i;
  }
  return best;
}

}  // namespace

const GemmKernels kGemmAvxVnni{kList, 3, choose};

}  // namespace octile
