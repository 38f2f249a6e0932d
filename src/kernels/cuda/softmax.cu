// Softmax over any axes and layer normalization: a block a group of values.
#include <cuda_runtime.h>

#include "kernels/cuda/device/real.h"
#include "kernels/cuda/grid.h"

namespace octile::cuda {
namespace {

/// The offset of index i in a walk of some axes.
__device__ __forceinline__ int64_t offset_of(int rank, const int64_t* extent, const int64_t* stride,
                                             int64_t i) {
  int64_t offset = 0;
  for (int axis = rank - 1; axis > 0; --axis) {
    const int64_t rest = i / extent[axis];
    offset += (i - rest * extent[axis]) * stride[axis];
    i = rest;
  }
  return rank > 0 ? offset + i * stride[0] : 0;
}

/// What all threads of the block hold, combined by f; every thread gets it.
template <typename T, typename F>
__device__ T combine(T value, F&& f) {
  __shared__ T s_parts[32];
  for (int lane = 16; lane > 0; lane /= 2) {
    value = f(value, __shfl_xor_sync(0xffffffffu, value, lane));
  }
  __syncthreads();  // the last call's readers are done
  if (threadIdx.x % 32 == 0) s_parts[threadIdx.x / 32] = value;
  __syncthreads();
  value = s_parts[0];
  for (int warp = 1; warp < static_cast<int>(blockDim.x / 32); ++warp) {
    value = f(value, s_parts[warp]);
  }
  return value;
}

__global__ void softmax_bytes(Groups g, bool is_unsigned, const uint32_t* table, const void* x,
                              Real y_type, void* y) {
  wait_for_earlier_kernels();
  __shared__ uint32_t s_table[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) s_table[i] = table[i];
  __syncthreads();
  for (int64_t group = blockIdx.x; group < g.kept; group += gridDim.x) {
    const int64_t base = offset_of(g.kept_rank, g.kept_extent, g.kept_stride, group);
    int32_t best = is_unsigned ? 0 : -128;
    for (int64_t i = threadIdx.x; i < g.count; i += blockDim.x) {
      const int64_t at = base + offset_of(g.rank, g.extent, g.stride, i);
      best = max(best, load_byte(x, is_unsigned, at));
    }
    best = combine(best, [](int32_t a, int32_t b) { return max(a, b); });
    unsigned long long sum = 0;
    for (int64_t i = threadIdx.x; i < g.count; i += blockDim.x) {
      const int64_t at = base + offset_of(g.rank, g.extent, g.stride, i);
      sum += s_table[best - load_byte(x, is_unsigned, at)];
    }
    sum = combine(sum, [](unsigned long long a, unsigned long long b) { return a + b; });
    const float whole = __ull2float_rn(sum);
    for (int64_t i = threadIdx.x; i < g.count; i += blockDim.x) {
      const int64_t at = base + offset_of(g.rank, g.extent, g.stride, i);
      const auto part = static_cast<int32_t>(s_table[best - load_byte(x, is_unsigned, at)]);
      store_real(y, y_type, at, __int2float_rn(part) / whole);
    }
  }
}

template <typename T>
__global__ void softmax_floats(Groups g, const T* x, T* y) {
  wait_for_earlier_kernels();
  for (int64_t group = blockIdx.x; group < g.kept; group += gridDim.x) {
    const int64_t base = offset_of(g.kept_rank, g.kept_extent, g.kept_stride, group);
    float best = -INFINITY;
    for (int64_t i = threadIdx.x; i < g.count; i += blockDim.x) {
      best = fmaxf(best, to_float(x[base + offset_of(g.rank, g.extent, g.stride, i)]));
    }
    best = combine(best, [](float a, float b) { return fmaxf(a, b); });
    float sum = 0.0f;
    for (int64_t i = threadIdx.x; i < g.count; i += blockDim.x) {
      sum += expf(to_float(x[base + offset_of(g.rank, g.extent, g.stride, i)]) - best);
    }
    sum = combine(sum, [](float a, float b) { return a + b; });
    for (int64_t i = threadIdx.x; i < g.count; i += blockDim.x) {
      const int64_t at = base + offset_of(g.rank, g.extent, g.stride, i);
      y[at] = from_float<T>(expf(to_float(x[at]) - best) / sum);
    }
  }
}

template <typename T>
__global__ void normalize_rows(int64_t groups, int64_t count, float epsilon, const float* scale,
                               const float* shift, const T* x, T* y) {
  wait_for_earlier_kernels();
  const auto add = [](float a, float b) { return a + b; };
  for (int64_t group = blockIdx.x; group < groups; group += gridDim.x) {
    const T* from = x + group * count;
    float sum = 0.0f, squares = 0.0f;
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += to_float(from[i]);
    const float mean = combine(sum, add) / static_cast<float>(count);
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) {
      const float off = to_float(from[i]) - mean;
      squares += off * off;
    }
    const float variance = combine(squares, add) / static_cast<float>(count);
    const float inverse = 1.0f / sqrtf(variance + epsilon);
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) {
      float v = (to_float(from[i]) - mean) * inverse;
      if (scale != nullptr) v *= scale[i];
      if (shift != nullptr) v += shift[i];
      y[group * count + i] = from_float<T>(v);
    }
  }
}

/// Threads of a block for groups of `count` values; whole warps.
int threads_for(int64_t count) {
  int threads = 32;
  while (threads < 512 && threads * 4 < count) threads *= 2;
  return threads;
}
unsigned grid_of(int64_t groups) { return blocks_for(groups, 1); }

}  // namespace

void launch_softmax_bytes(const Groups& g, bool is_unsigned, const uint32_t* table, const void* x,
                          Real y_type, void* y, void* stream) {
  start_kernel(softmax_bytes, {grid_of(g.kept), threads_for(g.count), 0, stream_of(stream)}, g,
               is_unsigned, table, x, y_type, y);
}

void launch_softmax_floats(const Groups& g, Real type, const void* x, void* y, void* stream) {
  by_real(type, [&](auto real) {
    using T = decltype(real);
    start_kernel(softmax_floats<T>, {grid_of(g.kept), threads_for(g.count), 0, stream_of(stream)},
                 g, static_cast<const T*>(x), static_cast<T*>(y));
  });
}

void launch_normalize(int64_t groups, int64_t count, float epsilon, const float* scale,
                      const float* shift, Real type, const void* x, void* y, void* stream) {
  by_real(type, [&](auto real) {
    using T = decltype(real);
    start_kernel(normalize_rows<T>, {grid_of(groups), threads_for(count), 0, stream_of(stream)},
                 groups, count, epsilon, scale, shift, static_cast<const T*>(x),
                 static_cast<T*>(y));
  });
}

}  // namespace octile::cuda
