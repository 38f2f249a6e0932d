// What the NEON rows share: from float to bytes, and the ends of arrays. Leaf files alone include
// this.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace octile {
namespace {

/// zero + rne(clamp(v, lo, hi)). FMAXNM gives the number where v is NaN: lo.
inline int32x4_t rounded(float32x4_t v, float lo, float hi, int32_t zero) {
  v = vminq_f32(vmaxnmq_f32(v, vdupq_n_f32(lo)), vdupq_n_f32(hi));
  return vaddq_s32(vcvtnq_s32_f32(v), vdupq_n_s32(zero));
}

/// The low bytes of 16 values, in order.
inline uint8x16_t low_bytes(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
  const uint16x8_t ab = vuzp1q_u16(vreinterpretq_u16_s32(a), vreinterpretq_u16_s32(b));
  const uint16x8_t cd = vuzp1q_u16(vreinterpretq_u16_s32(c), vreinterpretq_u16_s32(d));
  return vuzp1q_u8(vreinterpretq_u8_u16(ab), vreinterpretq_u8_u16(cd));
}

/// Sixteen bytes as int32, four a vector.
template <bool kSigned>
inline int32x4x4_t widen(uint8x16_t x) {
  int16x8_t low, high;
  if (kSigned) {
    low = vmovl_s8(vget_low_s8(vreinterpretq_s8_u8(x)));
    high = vmovl_high_s8(vreinterpretq_s8_u8(x));
  } else {
    low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x)));
    high = vreinterpretq_s16_u16(vmovl_high_u8(x));
  }
  return {{vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)),
           vmovl_high_s16(high)}};
}

/// The first `count` < 16 of 16 bytes, without reading or writing past them.
inline uint8x16_t load_first(const uint8_t* x, int64_t count) {
  uint8_t padded[16] = {};
  for (int64_t i = 0; i < count; ++i) padded[i] = x[i];
  return vld1q_u8(padded);
}

inline void store_first(uint8x16_t bytes, int64_t count, uint8_t* y) {
  uint8_t buffer[16];
  vst1q_u8(buffer, bytes);
  for (int64_t i = 0; i < count; ++i) y[i] = buffer[i];
}

}  // namespace
}  // namespace octile
