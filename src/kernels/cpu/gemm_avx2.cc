// INT8 tiles with AVX2 alone: 8 rows × 8 columns, exact.
//
// vpmaddubsw and vpaddw sum in int16, vpmaddwd and vpaddd carry on in int32. A chain is a run of
// groups whose int16 sums stay inside int16 whatever the activations are: gemm_chains.h proves that
// from the weights and says which groups lie behind one another. Operations a group and row (of 3
// a cycle; a lone group takes 3):
//
//   bytes          2   (vpmaddubsw, vpaddw) + 1 a chain: 2.25 in chains of four, 2.5 in pairs
//   sign moved     3   (vpsignb more)       + 1 a chain: |x| times the weight with the sign of x
#include <immintrin.h>

#include "kernels/cpu/gemm_ymm_leaf.h"

namespace octile {
namespace {

/// What add() walks through: groups in the order of their chains.
struct Walk {
  const int32_t* step;
  const int8_t* weights;
};

template <int kLength, int kRows>
[[gnu::always_inline]] inline void add_chains(Walk& at, int64_t chains,
                                              const uint8_t* const (&row)[kRows],
                                              __m256i (&acc)[kRows][1]) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (; chains > 0; --chains) {
    int64_t offset[kLength];
    __m256i w[kLength];
#pragma GCC unroll 4
    for (int i = 0; i < kLength; ++i) {
      offset[i] = at.step[i];
      w[i] = load_weights(at.weights + 32 * i);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      __m256i pairs = _mm256_maddubs_epi16(broadcast4(row[r] + offset[0]), w[0]);
#pragma GCC unroll 4
      for (int i = 1; i < kLength; ++i) {
        const __m256i more = _mm256_maddubs_epi16(broadcast4(row[r] + offset[i]), w[i]);
        pairs = _mm256_add_epi16(pairs, more);
      }
      acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(pairs, ones));
    }
    at.step += kLength;
    at.weights += 32 * kLength;
  }
}

/// The same for groups that are too heavy: x − 128 and its magnitude lie in further planes.
template <int kLength, int kRows>
[[gnu::always_inline]] inline void add_sign_chains(Walk& at, int64_t chains, int64_t plane,
                                                   const uint8_t* const (&row)[kRows],
                                                   __m256i (&acc)[kRows][1]) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (; chains > 0; --chains) {
    int64_t value[kLength], magnitude[kLength];
    __m256i w[kLength];
#pragma GCC unroll 4
    for (int i = 0; i < kLength; ++i) {
      value[i] = at.step[i] + plane;
      magnitude[i] = value[i] + plane;
      w[i] = load_weights(at.weights + 32 * i);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      __m256i pairs;
#pragma GCC unroll 4
      for (int i = 0; i < kLength; ++i) {
        const __m256i turned = _mm256_sign_epi8(w[i], broadcast4(row[r] + value[i]));
        const __m256i more = _mm256_maddubs_epi16(broadcast4(row[r] + magnitude[i]), turned);
        pairs = i == 0 ? more : _mm256_add_epi16(pairs, more);
      }
      acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(pairs, ones));
    }
    at.step += kLength;
    at.weights += 32 * kLength;
  }
}

template <bool kSigns>
struct Chains {
  template <int kRows>
  [[gnu::always_inline]] static void add(const GemmShape& s, const GemmCall& c,
                                         const uint8_t* const (&row)[kRows],
                                         __m256i (&acc)[kRows][1]) {
    Walk at{c.steps, c.weights};
    add_chains<4>(at, c.chains[0], row, acc);
    add_chains<2>(at, c.chains[1], row, acc);
    add_chains<1>(at, c.chains[2], row, acc);
    if (!kSigns) return;
    add_sign_chains<2>(at, c.chains[3], s.plane, row, acc);
    add_sign_chains<1>(at, c.chains[4], s.plane, row, acc);
  }
};

/// For right operands that come at run time, of which nothing is proved: group by group.
template <bool kSevenBits>
struct Groups {
  template <int kRows, int kVectors>
  [[gnu::always_inline]] static void add(const GemmShape& s, const GemmCall& c,
                                         const uint8_t* const (&row)[kRows],
                                         __m256i (&acc)[kRows][kVectors]) {
    const __m256i ones = _mm256_set1_epi16(1);
    const int8_t* weights = c.weights;
    for (int64_t segment = 0; segment < s.segments; ++segment) {
      const int64_t begin = s.segment_offset[segment], end = begin + 4 * s.groups;
      for (int64_t offset = begin; offset < end; offset += 4, weights += 32 * kVectors) {
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const __m256i x = broadcast4(row[r] + offset);
          const __m256i magnitude = kSevenBits ? x : _mm256_abs_epi8(x);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) {
            __m256i w = load_weights(weights + 32 * v);
            if (!kSevenBits) w = _mm256_sign_epi8(w, x);
            const __m256i pairs = _mm256_maddubs_epi16(magnitude, w);
            acc[r][v] = _mm256_add_epi32(acc[r][v], _mm256_madd_epi16(pairs, ones));
          }
        }
      }
    }
  }
};

template <bool kSevenBits>
constexpr GemmVariant unproved(bool flip, int32_t shift) {
  return {flip, shift, kTiles<Groups<kSevenBits>, 2, false, 1, 2, 3, 4>,
          kTiles<Groups<kSevenBits>, 2, true, 1, 2, 3, 4>};
}

constexpr GemmKernel kUnprovedList[] = {
    {4, 16, {unproved<false>(true, -128), unproved<false>(false, 0), unproved<true>(false, 0)}}};

template <bool kSigns>
constexpr GemmVariant variant(bool flip, int32_t shift) {
  return {flip,
          shift,
          kTiles<Chains<kSigns>, 1, false, 1, 2, 3, 4, 5, 6, 7, 8>,
          kTiles<Chains<kSigns>, 1, true, 1, 2, 3, 4, 5, 6, 7, 8>,
          true,
          kSigns};
}

constexpr GemmKernel kList[] = {
    {8, 8, {variant<true>(false, 0), variant<true>(true, 128), variant<false>(false, 0)}}};

}  // namespace

const GemmKernels kGemmAvx2{kList, 1};
const GemmKernels kGemmAvx2Unproved{kUnprovedList, 1};

}  // namespace octile
