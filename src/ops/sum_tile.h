// The one inner loop of the plain convolutions and matrix products: a tile of outputs side by side,
// each a binary32 sum over its terms in ascending order. Side by side changes no sum, so the bits
// depend neither on the instruction set nor on the number of threads.
#pragma once

#include <cstdint>

namespace octile {

inline constexpr int kTile = 32;       // outputs side by side
inline constexpr int kTileDepth = 64;  // terms staged at a time
inline constexpr int kTileRows = 64;   // rows (output channels) that share what was staged

/// sums[j] += a[0]·b[j], then a[1]·b[b_stride + j], … for j < kTile: multiply, round, add, round.
void accumulate_tile(const float* a, const float* b, int64_t b_stride, int64_t depth, float* sums);

/// Items a thread should take at least so that starting threads pays.
inline int64_t grain_for(int64_t work_per_item) {
  constexpr int64_t kWork = 1 << 16;
  return work_per_item >= kWork ? 1 : kWork / (work_per_item > 0 ? work_per_item : 1) + 1;
}

}  // namespace octile
