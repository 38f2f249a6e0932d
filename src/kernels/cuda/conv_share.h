// How a block finishes some rows of a tile whose sums arrive in parts, as conv_epilogue.h does
// whole tiles: four neighbouring channels of a row at a time.
#pragma once

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_params.h"

namespace octile::cuda {

/// Four neighbouring channels of one row, of which `count` exist.
template <Finish kFinish, bool kResidual>
__device__ __forceinline__ void finish_four(const ConvTail& tail, const int4& sum, const int4& bias,
                                            const float4& scale, uint32_t residual, uint64_t offset,
                                            int count) {
  float v[4] = {scaled(sum.x, bias.x, scale.x), scaled(sum.y, bias.y, scale.y),
                scaled(sum.z, bias.z, scale.z), scaled(sum.w, bias.w, scale.w)};
  if constexpr (kFinish == Finish::kFloat) {
    store_floats(tail, offset, v, count);
  } else {
    if constexpr (kResidual) add_residual(tail, residual, v);
    store_four(static_cast<uint8_t*>(tail.y) + offset, pack_results<kFinish>(tail, v), count,
               tail.store_bytes);
  }
}

/// The rows of a tile (kRows, kColumns) that a block finishes, four channels a thread and row. What
/// they need beside the sums is read before those are there. A warp has four rows of eight quads of
/// channels: a window that is pooled.
template <int kRows, int kColumns, int kThreads>
struct ConvShare {
  static constexpr int kQuads = kColumns / 4;
  static constexpr int kMost = kRows * kQuads / kThreads;  // rows of a thread
  static_assert(kQuads % 8 == 0 && kThreads % (4 * kQuads) == 0);

  const ConvTail& tail;
  int pools;         // 1: y has the largest of four rows
  int first, count;  // rows: where they begin, how many exist
  int row, channel;  // of this thread's first; the others are kThreads / kQuads apart
  int4 bias;
  float4 scale;
  uint32_t residual[kMost] = {};

  __device__ __forceinline__ ConvShare(const ConvParams& p, int first_row, int rows,
                                       int first_column)
      : tail(p.tail),
        pools(p.pools),
        first(first_row),
        count(min(max(p.tail.rows - first_row, 0), rows)) {
    row = static_cast<int>(threadIdx.x) / (4 * kQuads) * 4 + static_cast<int>(threadIdx.x) / 8 % 4;
    channel = first_column + 4 * quad();
    bias = __ldg(reinterpret_cast<const int4*>(tail.bias + channel));
    scale = __ldg(reinterpret_cast<const float4*>(tail.multiplier + channel));
  }

  static __device__ __forceinline__ int quad() {
    return static_cast<int>(threadIdx.x) / 32 % (kQuads / 8) * 8 +
           static_cast<int>(threadIdx.x) % 8;
  }
  __device__ __forceinline__ int row_of(int i) const { return row + i * (kThreads / kQuads); }
  __device__ __forceinline__ uint64_t offset(int i) const {
    return offset_of(tail, (first + row_of(i)) >> 2 * pools, channel);
  }
  __device__ __forceinline__ bool has(int i) const {
    return row_of(i) < count && channel < tail.out_c;
  }

  __device__ __forceinline__ void read_residual() {
    if (tail.residual == nullptr) return;
#pragma unroll
    for (int i = 0; i < kMost; ++i) {
      if (!has(i)) continue;
      residual[i] = load_four(tail.residual + offset(i), tail.out_c - channel, tail.store_bytes);
    }
  }

  /// Of four rows, on sums: what follows them does not fall where they rise.
  static __device__ __forceinline__ int4 largest_of_four(int4 v) {
#pragma unroll
    for (int lanes = 8; lanes <= 16; lanes *= 2) {
      v.x = max(v.x, __shfl_xor_sync(0xffffffffu, v.x, lanes));
      v.y = max(v.y, __shfl_xor_sync(0xffffffffu, v.y, lanes));
      v.z = max(v.z, __shfl_xor_sync(0xffffffffu, v.z, lanes));
      v.w = max(v.w, __shfl_xor_sync(0xffffffffu, v.w, lanes));
    }
    return v;
  }

  /// s_parts: (parts, rows, kColumns).
  __device__ __forceinline__ void finish(const int32_t* s_parts, int parts, int rows) const {
    const auto* s_quads = reinterpret_cast<const int4*>(s_parts) + quad();
    int4 sums[kMost];
#pragma unroll
    for (int i = 0; i < kMost; ++i) {
      sums[i] = make_int4(0, 0, 0, 0);
      for (int part = 0; part < (has(i) ? parts : 0); ++part) {
        const int4 v = s_quads[(part * rows + row_of(i)) * kQuads];
        sums[i].x += v.x, sums[i].y += v.y, sums[i].z += v.z, sums[i].w += v.w;
      }
      if (pools != 0) sums[i] = largest_of_four(sums[i]);
    }
    by_finish(tail, [&]<Finish kFinish, bool kResidual>() {
#pragma unroll
      for (int i = 0; i < kMost; ++i) {
        if (!has(i) || (row_of(i) & 3 * pools) != 0) continue;
        finish_four<kFinish, kResidual>(tail, sums[i], bias, scale, residual[i], offset(i),
                                        tail.out_c - channel);
      }
    });
  }
};

}  // namespace octile::cuda
