// Tensor-core instructions of a warpgroup (sm_90a): wgmma m64nNk32 on 8-bit operands in shared
// memory, and the descriptors that say how they lie. Sums of lane (g = lane / 4, t = lane % 4) of
// warp w: d[4j + 2h + e] is row 16w + 8h + g, column 8j + 2t + e.
#pragma once

#include <cstdint>

#include "kernels/cuda/device/copy.h"

namespace octile::cuda {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

/// An operand of lines of `line_bytes` (32, 64 or 128) that lie swizzled by as much, as the tensor
/// copies write them. The low half moves with the address: advance by bytes / 16.
__device__ __forceinline__ uint64_t matrix_descriptor(uint32_t s_lines, int line_bytes) {
  const uint64_t layout = line_bytes == 128 ? 1 : line_bytes == 64 ? 2 : 3;
  const auto eight_lines = static_cast<uint64_t>(8 * line_bytes / 16);
  return (s_lines & 0x3ffff) >> 4 | uint64_t{1} << 16 | eight_lines << 32 | layout << 62;
}

/// An operand and the places around it: the descriptor's high half does not change.
struct MatrixPlace {
  uint32_t low, high;
  __device__ __forceinline__ MatrixPlace(const void* s_lines, int line_bytes) {
    const uint64_t descriptor = matrix_descriptor(shared_address(s_lines), line_bytes);
    low = static_cast<uint32_t>(descriptor), high = static_cast<uint32_t>(descriptor >> 32);
  }
  __device__ __forceinline__ uint64_t at(int bytes) const {
    return static_cast<uint64_t>(high) << 32 | (low + static_cast<uint32_t>(bytes / 16));
  }
};

/// Before the first wgmma that reads registers written by other instructions.
__device__ __forceinline__ void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Waits until at most kPending groups are under way.
template <int kPending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}
/// The compiler must not move reads or writes of d across.
template <int kCount>
__device__ __forceinline__ void wgmma_pin(int32_t (&d)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+r"(d[i])::"memory");
}

/// After the wait: until here a's registers were read.
__device__ __forceinline__ void wgmma_keep(const uint32_t (&a)[4]) {
  asm volatile("" ::"r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]));
}

// The operand lists of the sums: 8 at a time.
#define OCTILE_D8(i)                                                                          \
  "+r"(d[i]), "+r"(d[i + 1]), "+r"(d[i + 2]), "+r"(d[i + 3]), "+r"(d[i + 4]), "+r"(d[i + 5]), \
      "+r"(d[i + 6]), "+r"(d[i + 7])
#define OCTILE_D32(i) OCTILE_D8(i), OCTILE_D8(i + 8), OCTILE_D8(i + 16), OCTILE_D8(i + 24)
#define OCTILE_REGISTERS_32 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
#define OCTILE_REGISTERS_64                                                        \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21," \
  "%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define OCTILE_REGISTERS_128                                                         \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,"   \
  "%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41," \
  "%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61," \
  "%62,%63"
#define OCTILE_REGISTERS_256                                                         \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,"   \
  "%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41," \
  "%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61," \
  "%62,%63,%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81," \
  "%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,%96,%97,%98,%99,%100,"    \
  "%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111,%112,%113,%114,%115,%116," \
  "%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"

#define OCTILE_WGMMA(n, types, a, b, add)                                           \
  "{.reg .pred p; setp.ne.b32 p, %" add ", 0; wgmma.mma_async.sync.aligned.m64n" #n \
  "k32.s32." types " {" OCTILE_REGISTERS_##n "}, %" a ", %" b ", p;}"

#define OCTILE_WGMMA_A(n, types, a0, a1, a2, a3, b, add)                                    \
  "{.reg .pred p; setp.ne.b32 p, %" add ", 0; wgmma.mma_async.sync.aligned.m64n" #n         \
  "k32.s32." types " {" OCTILE_REGISTERS_##n "}, {%" a0 ", %" a1 ", %" a2 ", %" a3 "}, %" b \
                                             ", p;}"

/// d = a · b, or d += a · b where add is not 0; the count of d says how many columns. kUnsigned: a
/// is uint8.
template <bool kUnsigned>
__device__ __forceinline__ void wgmma(int32_t (&d)[32], uint64_t a, uint64_t b, int add) {
  if constexpr (kUnsigned) {
    asm volatile(OCTILE_WGMMA(64, "u8.s8", "32", "33", "34")
                 : OCTILE_D32(0)
                 : "l"(a), "l"(b), "r"(add));
  } else {
    asm volatile(OCTILE_WGMMA(64, "s8.s8", "32", "33", "34")
                 : OCTILE_D32(0)
                 : "l"(a), "l"(b), "r"(add));
  }
}
/// The same with a in registers, as ldmatrix brings it: lane (g, t) of warp w holds bytes 4t … 4t +
/// 3 of rows 16w + g and 16w + g + 8, then the same 16 bytes on.
template <bool kUnsigned>
__device__ __forceinline__ void wgmma(int32_t (&d)[32], const uint32_t (&a)[4], uint64_t b,
                                      int add) {
  if constexpr (kUnsigned) {
    asm volatile(OCTILE_WGMMA_A(64, "u8.s8", "32", "33", "34", "35", "36", "37")
                 : OCTILE_D32(0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add));
  } else {
    asm volatile(OCTILE_WGMMA_A(64, "s8.s8", "32", "33", "34", "35", "36", "37")
                 : OCTILE_D32(0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add));
  }
}
template <bool kUnsigned>
__device__ __forceinline__ void wgmma(int32_t (&d)[64], uint64_t a, uint64_t b, int add) {
  if constexpr (kUnsigned) {
    asm volatile(OCTILE_WGMMA(128, "u8.s8", "64", "65", "66")
                 : OCTILE_D32(0), OCTILE_D32(32)
                 : "l"(a), "l"(b), "r"(add));
  } else {
    asm volatile(OCTILE_WGMMA(128, "s8.s8", "64", "65", "66")
                 : OCTILE_D32(0), OCTILE_D32(32)
                 : "l"(a), "l"(b), "r"(add));
  }
}
template <bool kUnsigned>
__device__ __forceinline__ void wgmma(int32_t (&d)[128], uint64_t a, uint64_t b, int add) {
  if constexpr (kUnsigned) {
    asm volatile(OCTILE_WGMMA(256, "u8.s8", "128", "129", "130")
                 : OCTILE_D32(0), OCTILE_D32(32), OCTILE_D32(64), OCTILE_D32(96)
                 : "l"(a), "l"(b), "r"(add));
  } else {
    asm volatile(OCTILE_WGMMA(256, "s8.s8", "128", "129", "130")
                 : OCTILE_D32(0), OCTILE_D32(32), OCTILE_D32(64), OCTILE_D32(96)
                 : "l"(a), "l"(b), "r"(add));
  }
}

/// The same with the signed operand first: d (64, 32) += a · b, b the one that may be uint8.
template <bool kUnsigned>
__device__ __forceinline__ void wgmma_signed_first(int32_t (&d)[16], uint64_t a, uint64_t b,
                                                   int add) {
  if constexpr (kUnsigned) {
    asm volatile(OCTILE_WGMMA(32, "s8.u8", "16", "17", "18")
                 : OCTILE_D8(0), OCTILE_D8(8)
                 : "l"(a), "l"(b), "r"(add));
  } else {
    asm volatile(OCTILE_WGMMA(32, "s8.s8", "16", "17", "18")
                 : OCTILE_D8(0), OCTILE_D8(8)
                 : "l"(a), "l"(b), "r"(add));
  }
}

#undef OCTILE_WGMMA
#undef OCTILE_WGMMA_A
#undef OCTILE_D8
#undef OCTILE_D32
#undef OCTILE_REGISTERS_32
#undef OCTILE_REGISTERS_64
#undef OCTILE_REGISTERS_128
#undef OCTILE_REGISTERS_256

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

}  // namespace octile::cuda
