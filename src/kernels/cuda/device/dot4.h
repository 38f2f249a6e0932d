// Four products of bytes and their sum in one instruction (dp4a, sm_61 on), by the signedness of
// the left operand. Never saturates.
#pragma once

#include <cstdint>

namespace octile::cuda {

/// acc + Σ a_i · b_i, a of signed or unsigned bytes, b of signed ones.
template <bool kUnsignedA>
__device__ __forceinline__ int32_t dot4(uint32_t a, uint32_t b, int32_t acc) {
  int32_t sum;
  if constexpr (kUnsignedA) {
    asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(acc));
  } else {
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(acc));
  }
  return sum;
}

}  // namespace octile::cuda
