// Conversions between packed bytes and numbers.
#pragma once

#include <cstdint>

namespace octile::cuda {

/// The low bytes of four integers, a lowest.
__device__ __forceinline__ uint32_t pack_low_bytes(int32_t a, int32_t b, int32_t c, int32_t d) {
  return __byte_perm(__byte_perm(a, b, 0x0040), __byte_perm(c, d, 0x0040), 0x5410);
}

/// Four bytes, of which `count` exist; width: 4 where they are a word in memory.
__device__ __forceinline__ uint32_t load_four(const uint8_t* source, int count, int width) {
  if (width == 4) return *reinterpret_cast<const uint32_t*>(source);
  uint32_t word = 0;
#pragma unroll
  for (int b = 0; b < 4; ++b) {
    if (b < count) word |= static_cast<uint32_t>(source[b]) << (8 * b);
  }
  return word;
}
__device__ __forceinline__ void store_four(uint8_t* target, uint32_t word, int count, int width) {
  if (width == 4) {
    *reinterpret_cast<uint32_t*>(target) = word;
    return;
  }
#pragma unroll
  for (int b = 0; b < 4; ++b) {
    if (b < count) target[b] = static_cast<uint8_t>(word >> (8 * b));
  }
}

/// Four integers, each saturated to int8 or uint8 and packed, a lowest.
template <bool kUnsigned>
__device__ __forceinline__ uint32_t pack_saturated(int32_t a, int32_t b, int32_t c, int32_t d) {
#if __CUDA_ARCH__ >= 750
  uint32_t low, all;
  if constexpr (kUnsigned) {
    asm("cvt.pack.sat.u8.s32.b32 %0, %1, %2, 0;" : "=r"(low) : "r"(d), "r"(c));
    asm("cvt.pack.sat.u8.s32.b32 %0, %1, %2, %3;" : "=r"(all) : "r"(b), "r"(a), "r"(low));
  } else {
    asm("cvt.pack.sat.s8.s32.b32 %0, %1, %2, 0;" : "=r"(low) : "r"(d), "r"(c));
    asm("cvt.pack.sat.s8.s32.b32 %0, %1, %2, %3;" : "=r"(all) : "r"(b), "r"(a), "r"(low));
  }
  return all;
#else
  const int32_t lo = kUnsigned ? 0 : -128, hi = kUnsigned ? 255 : 127;
  return pack_low_bytes(min(max(a, lo), hi), min(max(b, lo), hi), min(max(c, lo), hi),
                        min(max(d, lo), hi));
#endif
}

/// Byte `index` of a word as float, minus `offset` − 2^23; exact for bytes taken as uint8.
/// offset = 2^23 + what to subtract: one permutation and one addition.
template <int kIndex>
__device__ __forceinline__ float byte_minus(uint32_t word, float offset) {
  return __fsub_rn(__uint_as_float(__byte_perm(word, 0x4b000000u, 0x7440 + kIndex)), offset);
}

}  // namespace octile::cuda
