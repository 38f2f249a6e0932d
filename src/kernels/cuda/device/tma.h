// The tensor copy engine (sm_90): barriers that count bytes, and copies of boxes of a tensor, plain
// or by pixels of a convolution's windows (im2col). One thread starts a copy.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "kernels/cuda/device/copy.h"

namespace octile::cuda {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

__device__ __forceinline__ void barrier_init(uint64_t* s_barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(s_barrier)),
               "r"(arrivals));
}
/// After all barrier_init, before other threads or the copy engine use them (and a __syncthreads).
__device__ __forceinline__ void barrier_init_done() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
__device__ __forceinline__ void barrier_arrive(uint64_t* s_barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(shared_address(s_barrier)) : "memory");
}
/// Arrives and says how many bytes the copies of this phase bring.
__device__ __forceinline__ void barrier_expect(uint64_t* s_barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(shared_address(s_barrier)),
               "r"(bytes)
               : "memory");
}
/// Waits for the end of the phase of this parity (the first phase has parity 0).
__device__ __forceinline__ void barrier_wait(uint64_t* s_barrier, uint32_t parity) {
  asm volatile(
      "{\n.reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared.b64 done, [%0], %1;\n"
      "@done bra.uni over;\n"
      "bra.uni again;\n"
      "over:\n}" ::"r"(shared_address(s_barrier)),
      "r"(parity)
      : "memory");
}

/// Orders what threads wrote to shared memory (this one, or others that it waited for) before what
/// wgmma reads and the copy engine writes there.
__device__ __forceinline__ void fence_for_engines() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void prefetch_map(const CUtensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

/// The box at (x, y) of a matrix.
__device__ __forceinline__ void copy_box(void* s_target, const CUtensorMap* map, int x, int y,
                                         uint64_t* s_barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3}], [%4];" ::"r"(shared_address(s_target)),
      "l"(map), "r"(x), "r"(y), "r"(shared_address(s_barrier))
      : "memory");
}

/// The box at (c, w, h, n) of a tensor of images. Outside it: zeros.
__device__ __forceinline__ void copy_image_box(void* s_target, const CUtensorMap* map, int c, int w,
                                               int h, int n, uint64_t* s_barrier) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3, %4, %5}], [%6];" ::"r"(shared_address(s_target)),
      "l"(map), "r"(c), "r"(w), "r"(h), "r"(n), "r"(shared_address(s_barrier))
      : "memory");
}

/// Channels from c on of as many pixels as the map says, from window (w, h) of image n on, each
/// moved by the tap (tap_w, tap_h). Outside the image: zeros.
__device__ __forceinline__ void copy_pixels(void* s_target, const CUtensorMap* map, int c, int w,
                                            int h, int n, int tap_w, int tap_h,
                                            uint64_t* s_barrier) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3, %4, %5}], [%6], {%7, %8};" ::"r"(shared_address(s_target)),
      "l"(map), "r"(c), "r"(w), "r"(h), "r"(n), "r"(shared_address(s_barrier)),
      "h"(static_cast<uint16_t>(tap_w)), "h"(static_cast<uint16_t>(tap_h))
      : "memory");
}

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

}  // namespace octile::cuda
