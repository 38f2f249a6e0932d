// Bias and multipliers of a column tile, kept in shared memory by blocks that stay with it.
#pragma once

#include "kernels/cuda/conv_params.h"

namespace octile::cuda {

/// By fours, so that the four lanes of a quad read 64 bytes in a row: within 64 channels, four i of
/// lane t lies at 4 · i + t.
template <int kColumns>
struct KeptColumns {
  int4 bias[kColumns / 4];
  float4 multiplier[kColumns / 4];

  /// By all threads of a block; those from `packed` on are not there. Then __syncthreads().
  __device__ __forceinline__ void load(const ConvTail& tail, int column, int packed) {
    const auto threads = static_cast<int>(blockDim.x);
    for (int i = static_cast<int>(threadIdx.x); i < kColumns / 4; i += threads) {
      const int place = i / 16 * 16 + i % 4 * 4 + i % 16 / 4, channel = column + 4 * i;
      if (channel >= packed) continue;
      bias[place] = __ldg(reinterpret_cast<const int4*>(tail.bias + channel));
      multiplier[place] = __ldg(reinterpret_cast<const float4*>(tail.multiplier + channel));
    }
  }
};

/// A lane's share, for finish_lines(). place: 16 for every 64 channels, and its place in the quad.
struct QuadColumns {
  const int4* bias;
  const float4* multiplier;
  template <int kColumns>
  __device__ __forceinline__ QuadColumns(const KeptColumns<kColumns>& s_columns, int place)
      : bias(s_columns.bias + place), multiplier(s_columns.multiplier + place) {}
  __device__ __forceinline__ int4 bias_of(int four) const { return bias[4 * four]; }
  __device__ __forceinline__ float4 multiplier_of(int four) const { return multiplier[4 * four]; }
};

}  // namespace octile::cuda
