// Ranges and histograms of calibration, kept on the device: the rules of calibrate/histogram.h,
// value by value, so the counts are the CPU's for the same values.
#include <cuda_runtime.h>

#include "backend/accelerator.h"
#include "kernels/cuda/grid.h"

namespace octile::cuda {
namespace {

constexpr int kBins = DeviceBins::kBins;
using Counter = unsigned long long;

__device__ __forceinline__ void add(uint64_t* counter, uint32_t count) {
  if (count > 0) atomicAdd(reinterpret_cast<Counter*>(counter), Counter{count});
}

/// Unsigned order of the keys is the order of the floats; −0 counts as +0.
__device__ __forceinline__ uint32_t value_key(float x) {
  const uint32_t bits = __float_as_uint(x + 0.0f);
  return bits ^ ((bits >> 31) != 0 ? 0xffffffffu : 0x80000000u);
}

/// What a warp's lanes hold, combined; every lane gets it.
template <typename F>
__device__ __forceinline__ uint32_t warp_combine(uint32_t v, F&& f) {
  for (int lane = 16; lane > 0; lane /= 2) v = f(v, __shfl_xor_sync(0xffffffffu, v, lane));
  return v;
}
__device__ __forceinline__ uint32_t warp_sum(uint32_t v) {
  return warp_combine(v, [](uint32_t a, uint32_t b) { return a + b; });
}

__global__ void find_range(const float* values, int64_t count, DeviceRange* range) {
  wait_for_earlier_kernels();
  uint32_t low = ~0u, high = 0, finite = 0, nan = 0, infinite = 0, zeros = 0;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    const float x = values[i];
    if (isnan(x)) {
      ++nan;
    } else if (isinf(x)) {
      ++infinite;
    } else {
      const uint32_t key = value_key(x);
      low = min(low, key);
      high = max(high, key);
      ++finite;
      zeros += x == 0.0f ? 1 : 0;
    }
  }
  low = warp_combine(low, [](uint32_t a, uint32_t b) { return min(a, b); });
  high = warp_combine(high, [](uint32_t a, uint32_t b) { return max(a, b); });
  finite = warp_sum(finite), nan = warp_sum(nan);
  infinite = warp_sum(infinite), zeros = warp_sum(zeros);
  if (threadIdx.x % 32 != 0) return;
  if (finite > 0) {
    atomicMin(&range->low, low);
    atomicMax(&range->high, high);
  }
  add(&range->finite, finite);
  add(&range->nan, nan);
  add(&range->infinite, infinite);
  add(&range->zeros, zeros);
}

__global__ void count_bins(const float* values, int64_t count, float prescale, float bins_per_unit,
                           DeviceBins* bins) {
  wait_for_earlier_kernels();
  __shared__ uint32_t s_bins[2 * kBins];  // positive, then negative
  for (int i = threadIdx.x; i < 2 * kBins; i += blockDim.x) s_bins[i] = 0;
  __syncthreads();
  uint32_t finite = 0, nan = 0, infinite = 0, zeros = 0;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    const float x = values[i];
    if (isnan(x)) {
      ++nan;
    } else if (isinf(x)) {
      ++infinite;
    } else {
      const float scaled = fabsf(x) * prescale * bins_per_unit;
      const float bin = fminf(scaled, static_cast<float>(kBins - 1));
      ++finite;
      if (x == 0.0f) {
        ++zeros;  // all of them in bin 0: added at the end, not one by one
      } else {
        atomicAdd(&s_bins[static_cast<int>(bin) + (x < 0.0f ? kBins : 0)], 1u);
      }
    }
  }
  finite = warp_sum(finite), nan = warp_sum(nan);
  infinite = warp_sum(infinite), zeros = warp_sum(zeros);
  if (threadIdx.x % 32 == 0) {
    if (zeros > 0) atomicAdd(&s_bins[0], zeros);
    add(&bins->finite, finite);
    add(&bins->nan, nan);
    add(&bins->infinite, infinite);
    add(&bins->zeros, zeros);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 2 * kBins; i += blockDim.x) add(&bins->bins[i], s_bins[i]);
}

/// Few enough blocks that adding up their bins costs little.
unsigned histogram_blocks(size_t count) {
  constexpr int64_t kEach = 16384, kMost = 264;
  const int64_t blocks = (static_cast<int64_t>(count) + kEach - 1) / kEach;
  return static_cast<unsigned>(blocks < kMost ? blocks : kMost);
}

}  // namespace

void launch_range(const float* values, size_t count, void* range, void* stream) {
  start_kernel(find_range, {histogram_blocks(count), kBlock, 0, stream_of(stream)}, values,
               static_cast<int64_t>(count), static_cast<DeviceRange*>(range));
}

void launch_bins(const float* values, size_t count, float prescale, float bins_per_unit, void* bins,
                 void* stream) {
  start_kernel(count_bins, {histogram_blocks(count), kBlock, 0, stream_of(stream)}, values,
               static_cast<int64_t>(count), prescale, bins_per_unit,
               static_cast<DeviceBins*>(bins));
}

}  // namespace octile::cuda
