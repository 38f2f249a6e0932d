// How plain kernels cut work: one thread an item, walking on by the grid's size.
#pragma once

#include <cstdint>

#include "kernels/cuda/launchers.h"

#ifdef __CUDACC__
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/launch.h"
#endif

namespace octile::cuda {

inline constexpr int kBlock = 256;  // threads

/// Blocks for `items` items; few enough that each thread of a large grid does several.
inline unsigned blocks_for(int64_t items, int block = kBlock) {
  constexpr int64_t kMost = 1 << 16;
  const int64_t blocks = (items + block - 1) / block;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks > kMost ? kMost : blocks);
}

#ifdef __CUDACC__
inline cudaStream_t stream_of(void* stream) { return static_cast<cudaStream_t>(stream); }

__device__ __forceinline__ int64_t first_item() {
  return int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t item_step() { return int64_t{gridDim.x} * blockDim.x; }

/// Element i of 8-bit data.
__device__ __forceinline__ int32_t load_byte(const void* data, bool is_unsigned, int64_t i) {
  return is_unsigned ? int32_t{static_cast<const uint8_t*>(data)[i]}
                     : int32_t{static_cast<const int8_t*>(data)[i]};
}

/// The clamp of float steps; NaN stays NaN.
__device__ __forceinline__ float clamp_float(float v, float lo, float hi) {
  v = v < lo ? lo : v;
  return v > hi ? hi : v;
}
#endif

}  // namespace octile::cuda
