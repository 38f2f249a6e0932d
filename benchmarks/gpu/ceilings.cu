// The rates that nothing on this card goes beyond, measured: a copy, and wgmma on shared memory
// that nobody fills (sm_90a; 0 elsewhere).
#include <cuda_runtime.h>

#include <algorithm>
#include <vector>

#include "ceilings.h"
#include "kernels/cuda/device/copy.h"
#include "kernels/cuda/device/wgmma.h"

namespace octile::benchmark {
namespace {

constexpr int kSteps = 2048;

__global__ void __launch_bounds__(256, 1) multiply(int32_t* out) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) uint8_t s_operands[];
  for (int i = static_cast<int>(threadIdx.x); i < 196608 / 4; i += 256) {
    reinterpret_cast<uint32_t*>(s_operands)[i] = (i + blockIdx.x) * 2654435761u;
  }
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
  __syncthreads();
  int32_t sums[128];
  const uint32_t base = cuda::shared_address(s_operands);
  for (int step = 0; step < kSteps; ++step) {
    const uint32_t stage = base + step % 4 * 49152;
    const uint64_t a = cuda::matrix_descriptor(stage + threadIdx.x / 128 * 8192, 128);
    const uint64_t b = cuda::matrix_descriptor(stage + 16384, 128);
    cuda::wgmma_pin(sums);
    cuda::wgmma_fence();
#pragma unroll
    for (int k = 0; k < 4; ++k) cuda::wgmma<false>(sums, a + 2 * k, b + 2 * k, step | k);
    cuda::wgmma_commit();
    cuda::wgmma_wait<1>();
  }
  cuda::wgmma_wait<0>();
  cuda::wgmma_pin(sums);
  int32_t sum = 0;
#pragma unroll
  for (int i = 0; i < 128; ++i) sum ^= sums[i];
  out[blockIdx.x * 256 + threadIdx.x] = sum;
#endif
}

template <class Body>
double median_ms(Body&& body) {
  cudaEvent_t begin, end;
  cudaEventCreate(&begin), cudaEventCreate(&end);
  std::vector<float> times;
  for (int i = 0; i < 9; ++i) {
    cudaEventRecord(begin);
    body();
    cudaEventRecord(end);
    cudaEventSynchronize(end);
    float ms = 0;
    cudaEventElapsedTime(&ms, begin, end);
    if (i >= 2) times.push_back(ms);
  }
  cudaEventDestroy(begin), cudaEventDestroy(end);
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace

double copy_bytes_per_second(void* from, void* to, size_t bytes) {
  const double ms = median_ms([&] { cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice); });
  return 2.0 * static_cast<double>(bytes) / (ms * 1e-3);
}

double multiply_operations_per_second(void* scratch) {
  int device = 0;
  cudaDeviceProp properties{};
  cudaGetDevice(&device), cudaGetDeviceProperties(&properties, device);
  if (properties.major != 9) return 0;
  cudaFuncSetAttribute(multiply, cudaFuncAttributeMaxDynamicSharedMemorySize, 196608);
  const int blocks = properties.multiProcessorCount;
  const double ms =
      median_ms([&] { multiply<<<blocks, 256, 196608>>>(static_cast<int32_t*>(scratch)); });
  return 2.0 * 128 * 256 * 128 * kSteps * blocks / (ms * 1e-3);
}

}  // namespace octile::benchmark
