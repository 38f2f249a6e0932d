// Which groups of weights may be summed in int16, proved from the weights (AVX2 has no instruction
// that multiplies bytes and sums them in int32 at once).
//
// A group is four values of k in nr columns: two pairs a column. vpmaddubsw sums a pair, vpaddw the
// pairs of a chain of groups; the sum must lie in int16 whatever the activations are. With
// activations x ≥ 0, what a pair can reach is bounded by its positive weights alone and by its
// negative ones alone:
//
//   0 ≤ x ≤ 127             positive weights ≤ 258, negative likewise      258 · 127 = 32,766
//   0 ≤ x ≤ 255             the same, ≤ 128                                128 · 255 = 32,640
//   |x| ≤ 128, sign moved   magnitudes of all weights ≤ 255                255 · 128 = 32,640
//
// In the first case every single group fits (2 · 127), in the last one too; a group that is too
// heavy for the second is multiplied with its sign moved. Sums on the way may wrap around.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/gemm_kernel.h"

namespace octile {

struct GemmChains {
  std::vector<int32_t> order;       // of the groups: chain after chain
  int32_t count[kGemmChains] = {};  // of each kind of chain
  int32_t first_signed = 0;         // from here on groups have their sign moved
};

/// Orders the groups of one column tile, weights [groups][nr][4]. `seven_bits`: activations are in
/// [0, 127], else in [0, 255]. REQUIRES: no weight is −128.
GemmChains chain_groups(const int8_t* weights, int64_t groups, int nr, bool seven_bits);

}  // namespace octile
