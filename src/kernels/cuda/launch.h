// The one way in which kernels are launched. Where the GPU can (sm_90 on), a kernel begins while
// the one in front of it ends: launching it and its first instructions cost nothing then. The
// kernel itself waits (device/overlap.h); behind anything but a kernel the order is the stream's,
// in graphs too.
#pragma once

#include <cuda_runtime.h>

#include <utility>

namespace octile::cuda {

/// Whether kernels overlap so on the current GPU: this build's code for it knows how to wait, and
/// the environment does not say OCTILE_GPU_OVERLAP=0.
bool kernels_overlap();

/// Lets the kernel have so many bytes of shared memory on the current GPU, beyond the 48 KiB that
/// all may. Never takes any back: contexts of several threads launch one kernel with different
/// sizes.
void allow_shared_bytes(const void* kernel, int bytes);

struct Launch {
  dim3 grid, block;
  int shared_bytes = 0;
  cudaStream_t stream = nullptr;
  unsigned cluster = 0;  // blocks of one, along x, from sm_90 on; 0: none
};

/// REQUIRES: the kernel calls wait_for_earlier_kernels(). Failures are what cudaGetLastError()
/// says.
template <class... Parameters, class... Arguments>
void start_kernel(void (*kernel)(Parameters...), const Launch& launch, Arguments&&... arguments) {
  if (launch.shared_bytes > 0) {
    allow_shared_bytes(reinterpret_cast<const void*>(kernel), launch.shared_bytes);
  }
  cudaLaunchAttribute attributes[2] = {};
  unsigned count = 0;
  if (kernels_overlap()) {
    attributes[count].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[count++].val.programmaticStreamSerializationAllowed = 1;
  }
  if (launch.cluster > 0) {
    attributes[count].id = cudaLaunchAttributeClusterDimension;
    attributes[count].val.clusterDim.x = launch.cluster;
    attributes[count].val.clusterDim.y = attributes[count].val.clusterDim.z = 1;
    ++count;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = launch.grid, config.blockDim = launch.block;
  config.dynamicSmemBytes = static_cast<size_t>(launch.shared_bytes), config.stream = launch.stream;
  config.attrs = attributes, config.numAttrs = count;
  (void)cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
}

}  // namespace octile::cuda
