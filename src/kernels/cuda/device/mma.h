// Tensor-core instructions of a warp: mma.sync m16n8k32 on 8-bit operands, and the loads that feed
// it. Fragments of lane (g = lane / 4, t = lane % 4): A a0 row g, a1 row g + 8, a2 row g, a3 row
// g + 8, bytes 4t..4t+3 of the first (a0, a1) and second (a2, a3) 16; B b0, b1 the same of column
// g; C c0, c1 row g, columns 2t, 2t + 1; c2, c3 row g + 8.
#pragma once

#include <cstdint>

namespace octile::cuda {

/// c += a · b. kUnsigned: a is uint8. sm_75 knows m8n8k16 alone: four of them.
template <bool kUnsigned>
__device__ __forceinline__ void mma_16x8x32(int32_t (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                            uint32_t b1) {
#if __CUDA_ARCH__ >= 800
  if constexpr (kUnsigned) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
#else
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int half = i & 1;
    const uint32_t b = i < 2 ? b0 : b1;
    if constexpr (kUnsigned) {
      asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.u8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
                   : "+r"(c[2 * half]), "+r"(c[2 * half + 1])
                   : "r"(a[i]), "r"(b));
    } else {
      asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
                   : "+r"(c[2 * half]), "+r"(c[2 * half + 1])
                   : "r"(a[i]), "r"(b));
    }
  }
#endif
}

/// Four 8×16-byte matrices; lane l gives the shared address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void load_matrices(uint32_t (&r)[4], uint32_t shared_address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address));
}

}  // namespace octile::cuda
