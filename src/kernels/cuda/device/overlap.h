// Kernels that begin before the one in front of them has ended (programmatic dependent launch,
// sm_90 on): the device's side of launch.h.
#pragma once

namespace octile::cuda {

/// Lets the next kernel of the stream begin once every block of this one has come here (or ended).
__device__ __forceinline__ void let_next_kernel_begin() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// Waits until all kernels in front have ended and what they wrote is there; and lets the next one
/// begin. Every kernel of start_kernel() calls it, in all threads: before it touches anything that
/// another kernel reads or writes, before any return. What goes before: index arithmetic, barriers,
/// and what never changes (weights).
///
/// Reads behind it must be plain ones: ld.global.nc (__ldg) promises that nobody writes the data
/// while the kernel runs, which is not so any more. Weights may be read so.
__device__ __forceinline__ void wait_for_earlier_kernels() {
  let_next_kernel_begin();
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

}  // namespace octile::cuda
