// Copies from global to shared memory that do not wait (cp.async, sm_80+); older chips copy through
// a register, and the commits and waits are nothing.
#pragma once

#include <cstdint>

namespace octile::cuda {

__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

/// kBytes: 4, 8 or 16; both sides aligned to it.
template <int kBytes>
__device__ __forceinline__ void copy_async(void* s_target, const void* g_source) {
#if __CUDA_ARCH__ >= 800
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(s_target)),
                 "l"(g_source)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(shared_address(s_target)),
                 "l"(g_source), "n"(kBytes)
                 : "memory");
  }
#else
  if constexpr (kBytes == 16) {
    *static_cast<uint4*>(s_target) = *static_cast<const uint4*>(g_source);
  } else if constexpr (kBytes == 8) {
    *static_cast<uint2*>(s_target) = *static_cast<const uint2*>(g_source);
  } else {
    *static_cast<uint32_t*>(s_target) = *static_cast<const uint32_t*>(g_source);
  }
#endif
}

__device__ __forceinline__ void commit_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits until at most kPending of this thread's groups are under way.
template <int kPending>
__device__ __forceinline__ void wait_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

}  // namespace octile::cuda
