// float16 data seen as float32: kernels load, compute in float32, and round once when they store
// (to nearest, ties to even; beyond 65504 stands infinity, as IEEE has it).
#pragma once

#include <cuda_fp16.h>

#include "kernels/cuda/launchers.h"

namespace octile::cuda {

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(__half v) { return __half2float(v); }

template <typename T>
__device__ __forceinline__ T from_float(float v);
template <>
__device__ __forceinline__ float from_float<float>(float v) {
  return v;
}
template <>
__device__ __forceinline__ __half from_float<__half>(float v) {
  return __float2half_rn(v);
}

/// What an 8-bit step writes as half: it saturates (docs/arithmetic.md). NaN does not occur.
__device__ __forceinline__ __half saturated_half(float v) {
  return __float2half_rn(fminf(fmaxf(v, -65504.0f), 65504.0f));
}

/// Element i of a float output of an 8-bit step.
__device__ __forceinline__ void store_real(void* y, Real type, int64_t i, float v) {
  if (type == Real::kHalf) {
    static_cast<__half*>(y)[i] = saturated_half(v);
  } else {
    static_cast<float*>(y)[i] = v;
  }
}

/// Calls f with a value of the element type, on the host.
template <typename F>
void by_real(Real type, F&& f) {
  if (type == Real::kHalf) {
    f(__half());
  } else {
    f(float());
  }
}

}  // namespace octile::cuda
