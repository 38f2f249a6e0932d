// Blocks of a cluster (sm_90): meeting, sending to each other's shared memory; and copies whose end
// a barrier of tma.h counts, whole runs of bytes by the copy engine or a thread's own.
#pragma once

#include "kernels/cuda/device/tma.h"

namespace octile::cuda {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

/// All threads of all blocks of the cluster arrive, then wait. Of what was written before, barriers
/// alone (barrier_init_done()) are there for the others after the wait.
__device__ __forceinline__ void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
}
__device__ __forceinline__ void cluster_wait() {
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

/// Four words to where `s_target` is in block `rank` of the cluster; they count as 16 bytes at that
/// block's `s_barrier`. REQUIRES: that block has begun (cluster_wait()) and waits for the bytes.
__device__ __forceinline__ void send(int32_t* s_target, uint64_t* s_barrier, int rank,
                                     const int4& v) {
  asm volatile(
      "{\n.reg .b32 target, barrier;\n"
      "mapa.shared::cluster.u32 target, %0, %2;\n"
      "mapa.shared::cluster.u32 barrier, %1, %2;\n"
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.s32 [target], {%3, %4, %5, %6}, "
      "[barrier];\n}" ::"r"(shared_address(s_target)),
      "r"(shared_address(s_barrier)), "r"(rank), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w)
      : "memory");
}

/// barrier_wait() for what other blocks sent.
__device__ __forceinline__ void barrier_wait_for_cluster(uint64_t* s_barrier, uint32_t parity) {
  asm volatile(
      "{\n.reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
      "@done bra.uni over;\n"
      "bra.uni again;\n"
      "over:\n}" ::"r"(shared_address(s_barrier)),
      "r"(parity)
      : "memory");
}

/// A run of bytes, a multiple of 16 and aligned to it; by one thread.
__device__ __forceinline__ void copy_run(void* s_target, const void* g_source, uint32_t bytes,
                                         uint64_t* s_barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_address(s_target)),
      "l"(g_source), "r"(bytes), "r"(shared_address(s_barrier))
      : "memory");
}

/// Arrives at the barrier once all of this thread's copy_async() so far have ended.
__device__ __forceinline__ void barrier_arrive_after_copies(uint64_t* s_barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(shared_address(s_barrier))
               : "memory");
}

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

}  // namespace octile::cuda
