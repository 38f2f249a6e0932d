// NEON row of eltwise_kernel.h: sixteen values a step, the tail through padded copies.
#include <arm_neon.h>

#include "kernels/cpu/eltwise_kernel.h"
#include "kernels/cpu/round_neon_leaf.h"

namespace octile {
namespace {

template <bool kAdd>
inline float32x4_t combine(int32x4_t a, int32x4_t b, const EltwiseArguments& g) {
  a = vsubq_s32(a, vdupq_n_s32(g.a_zero));
  b = vsubq_s32(b, vdupq_n_s32(g.b_zero));
  if (!kAdd) return vmulq_f32(vcvtq_f32_s32(vmulq_s32(a, b)), vdupq_n_f32(g.m_a));
  const float32x4_t left = vmulq_f32(vcvtq_f32_s32(a), vdupq_n_f32(g.m_a));
  const float32x4_t right = vmulq_f32(vcvtq_f32_s32(b), vdupq_n_f32(g.m_b));
  return vaddq_f32(left, right);
}

template <bool kAdd, bool kASigned, bool kBSigned>
inline uint8x16_t sixteen(uint8x16_t a, uint8x16_t b, const EltwiseArguments& g) {
  const int32x4x4_t wide_a = widen<kASigned>(a), wide_b = widen<kBSigned>(b);
  int32x4_t q[4];
  for (int i = 0; i < 4; ++i) {
    q[i] = rounded(combine<kAdd>(wide_a.val[i], wide_b.val[i], g), g.lo, g.hi, g.y_zero);
  }
  return low_bytes(q[0], q[1], q[2], q[3]);
}

template <bool kAdd, bool kASigned, bool kBSigned>
void run_as(const uint8_t* a, const uint8_t* b, int64_t count, const EltwiseArguments& g,
            uint8_t* y) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const uint8x16_t q = sixteen<kAdd, kASigned, kBSigned>(vld1q_u8(a + i), vld1q_u8(b + i), g);
    vst1q_u8(y + i, q);
  }
  const int64_t rest = count - i;
  if (rest == 0) return;
  store_first(
      sixteen<kAdd, kASigned, kBSigned>(load_first(a + i, rest), load_first(b + i, rest), g), rest,
      y + i);
}

template <bool kAdd>
void run(const uint8_t* a, const uint8_t* b, int64_t count, const EltwiseArguments& g, uint8_t* y) {
  if (g.a_signed) {
    g.b_signed ? run_as<kAdd, true, true>(a, b, count, g, y)
               : run_as<kAdd, true, false>(a, b, count, g, y);
  } else {
    g.b_signed ? run_as<kAdd, false, true>(a, b, count, g, y)
               : run_as<kAdd, false, false>(a, b, count, g, y);
  }
}

}  // namespace

const EltwiseKernel kEltwiseNeon{run<true>, run<false>};

}  // namespace octile
