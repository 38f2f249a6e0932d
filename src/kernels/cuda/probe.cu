// Whether this build has code for the current GPU.
#include <cuda_runtime.h>

#include "kernels/cuda/accelerator.h"

namespace octile::cuda {
namespace {

__global__ void nothing() {}

}  // namespace

int probe_current_device() {
  cudaFuncAttributes attributes;
  return static_cast<int>(cudaFuncGetAttributes(&attributes, nothing));
}

}  // namespace octile::cuda
