// Whether this build has code for the current GPU, what that code can do, and what it may have.
#include <cuda_runtime.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include "kernels/cuda/accelerator.h"
#include "kernels/cuda/launch.h"

namespace octile::cuda {
namespace {

__global__ void nothing() {}

bool overlap_is_wanted() {
  static const bool wanted = [] {
    const char* value = std::getenv("OCTILE_GPU_OVERLAP");
    return value == nullptr || std::string_view(value) != "0";
  }();
  return wanted;
}

}  // namespace

int probe_current_device() {
  cudaFuncAttributes attributes;
  return static_cast<int>(cudaFuncGetAttributes(&attributes, nothing));
}

bool kernels_overlap() {
  if (!overlap_is_wanted()) return false;
  constexpr int kMostDevices = 64;
  static std::atomic<int8_t> known[kMostDevices];  // 1: no, 2: yes
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess || device >= kMostDevices) return false;
  if (const int8_t answer = known[device].load(std::memory_order_relaxed); answer != 0) {
    return answer == 2;
  }
  // Not the GPU's level: code for an older chip that the driver translated does not wait.
  cudaFuncAttributes attributes{};
  if (cudaFuncGetAttributes(&attributes, nothing) != cudaSuccess) return false;
  const bool overlap = attributes.ptxVersion >= 90;
  known[device].store(overlap ? 2 : 1, std::memory_order_relaxed);
  return overlap;
}

void allow_shared_bytes(const void* kernel, int bytes) {
  static std::mutex mutex;
  static std::map<std::pair<int, const void*>, int> allowed;  // by device
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return;
  const std::lock_guard lock(mutex);
  int& most = allowed[{device, kernel}];
  if (bytes <= most) return;
  const auto limit = cudaFuncAttributeMaxDynamicSharedMemorySize;
  if (cudaFuncSetAttribute(kernel, limit, bytes) == cudaSuccess) most = bytes;
}

}  // namespace octile::cuda
