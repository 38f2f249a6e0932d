// Registers and instructions of depthwise_leaf.h on NEON: 16 channels of one pixel a register. Dot
// (depthwise_neon.cc, depthwise_neondot.cc) sums four products a lane. Leaf files alone include
// this.
#pragma once

#include <arm_neon.h>

#include "kernels/cpu/depthwise_leaf.h"

namespace octile {
namespace {

template <typename Dot>
struct Neon : Dot {
  typedef int32x4_t V __attribute__((may_alias));  // of any element type
  using F = float32x4_t;
  static constexpr int kInts = 4, kParts = 1;
  static constexpr int kOutputs = 4;  // columns × rows of a tile
  static constexpr bool kFused = true;

  static int16x8_t s16(V x) { return vreinterpretq_s16_s32(x); }
  static uint8x16_t u8(V x) { return vreinterpretq_u8_s32(x); }
  static V v(int16x8_t x) { return vreinterpretq_s32_s16(x); }
  static V v(uint8x16_t x) { return vreinterpretq_s32_u8(x); }

  static V load(const void* p) { return v(vld1q_u8(static_cast<const uint8_t*>(p))); }
  static F load_floats(const float* p) { return vld1q_f32(p); }
  static V set8(uint8_t x) { return v(vdupq_n_u8(x)); }
  static V set16(int16_t x) { return v(vdupq_n_s16(x)); }
  static V set32(int32_t x) { return vdupq_n_s32(x); }
  static F set_float(float x) { return vdupq_n_f32(x); }
  static V low8(V a, V b) { return v(vzip1q_u8(u8(a), u8(b))); }
  static V high8(V a, V b) { return v(vzip2q_u8(u8(a), u8(b))); }
  static V low16(V a, V b) { return v(vzip1q_s16(s16(a), s16(b))); }
  static V high16(V a, V b) { return v(vzip2q_s16(s16(a), s16(b))); }
  static V bit_xor(V a, V b) { return veorq_s32(a, b); }
  static V min8(V a, V b) { return v(vminq_u8(u8(a), u8(b))); }
  static V max8(V a, V b) { return v(vmaxq_u8(u8(a), u8(b))); }
  static V adds16(V a, V b) { return v(vqaddq_s16(s16(a), s16(b))); }
  static V add32(V a, V b) { return vaddq_s32(a, b); }
  static V sub32(V a, V b) { return vsubq_s32(a, b); }
  static V packs32(V a, V b) { return v(vqmovn_high_s32(vqmovn_s32(a), b)); }
  static V packus16(V a, V b) { return v(vqmovun_high_s16(vqmovun_s16(s16(a)), s16(b))); }
  static F to_float(V a) { return vcvtq_f32_s32(a); }
  static V round(F a) { return vcvtnq_s32_f32(a); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F add(F a, F b) { return vaddq_f32(a, b); }
  /// a · b − c in one rounding, a by its bits.
  static F fused(V a, F b, F c) { return vfmaq_f32(vnegq_f32(c), vreinterpretq_f32_s32(a), b); }
  static F min(F a, F b) { return vminq_f32(a, b); }
  static F max(F a, F b) { return vmaxnmq_f32(a, b); }  // NaN gives the other one

  static V prepare(V x) { return Dot::kFlip ? bit_xor(x, set8(0x80)) : x; }
  static V operand(V x) { return x; }
  static V dot(V sum, V x, V w) {
    return Dot::four(sum, vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(w));
  }

  template <int kLanes>
  static V load_slot(const uint8_t* const* rows, int64_t offset) {
    static_assert(kLanes == 1);
    return load(rows[0] + offset);
  }
  template <int kLanes>
  static void store_lanes(uint8_t* const* out, int64_t offset, V bytes) {
    vst1q_u8(out[0] + offset, u8(bytes));
  }

  /// One part a register: both orders are the same.
  static V spread(V x) { return x; }

  static V load_bytes(const uint8_t* p, bool is_signed) {
    uint32_t bytes;
    __builtin_memcpy(&bytes, p, sizeof(bytes));
    const uint8x8_t q = vcreate_u8(bytes);
    if (is_signed) return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(q))));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(q))));
  }
  static void store_bytes(uint8_t* p, V q) {
    const uint16x4_t words = vmovn_u32(vreinterpretq_u32_s32(q));
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
    const uint32_t value = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
    __builtin_memcpy(p, &value, sizeof(value));
  }
  static void store_floats(float* p, F y) { vst1q_f32(p, y); }
};

/// Signed is exact for any weight and activation; Flipped takes unsigned activations as x − 128.
template <typename Flipped, typename Signed>
constexpr DepthwiseKernel neon_kernel() {
  return {16,
          1,
          {depthwise_variant<Neon<Flipped>, 1>(), depthwise_variant<Neon<Signed>, 1>(),
           depthwise_variant<Neon<Signed>, 1>()}};
}

}  // namespace
}  // namespace octile
