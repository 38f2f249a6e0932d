// NEON row of pool_kernel.h: 16 channels a vector. Tails of channels are scalar up to the sums.
#include <arm_neon.h>

#include "kernels/cpu/byte_leaf.h"
#include "kernels/cpu/pool_leaf.h"
#include "kernels/cpu/round_neon_leaf.h"

namespace octile {
namespace {

template <bool kSigned>
inline uint8x16_t larger(uint8x16_t a, uint8x16_t b) {
  if (!kSigned) return vmaxq_u8(a, b);
  return vreinterpretq_u8_s8(vmaxq_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)));
}

template <bool kSigned>
void maximum_as(const PoolRun& run) {
  for (int64_t i = 0; i < run.pixels; ++i) {
    const uint8_t* x = run.x + i * run.step;
    uint8_t* y = run.y + i * run.y_step;
    int64_t c = 0;
    for (; c + 16 <= run.channels; c += 16) {
      uint8x16_t best = vdupq_n_u8(kSigned ? 0x80 : 0);
      for_taps(run, x + c,
               [&](const uint8_t* tap) { best = larger<kSigned>(best, vld1q_u8(tap)); });
      vst1q_u8(y + c, best);
    }
    for (; c < run.channels; ++c) {
      int32_t best = kSigned ? -128 : 0;
      for_taps(run, x + c, [&](const uint8_t* tap) {
        best = value<kSigned>(*tap) > best ? value<kSigned>(*tap) : best;
      });
      y[c] = static_cast<uint8_t>(best);
    }
  }
}

void maximum(const PoolRun& run) { run.is_signed ? maximum_as<true>(run) : maximum_as<false>(run); }

/// Sixteen sums to sixteen bytes.
inline uint8x16_t finish(const int32x4x4_t& sums, const PoolAverage& a) {
  int32x4_t q[4];
  for (int i = 0; i < 4; ++i) {
    const int32x4_t centred = vsubq_s32(sums.val[i], vdupq_n_s32(a.zero_sum));
    const float32x4_t v = vmulq_f32(vcvtq_f32_s32(centred), vdupq_n_f32(a.multiplier));
    q[i] = rounded(v, a.lo, a.hi, a.y_zero);
  }
  return low_bytes(q[0], q[1], q[2], q[3]);
}

template <bool kSigned>
void average_as(const PoolRun& run, const PoolAverage& a) {
  for (int64_t i = 0; i < run.pixels; ++i) {
    const uint8_t* x = run.x + i * run.step;
    uint8_t* y = run.y + i * run.y_step;
    int64_t c = 0;
    for (; c + 16 <= run.channels; c += 16) {
      int32x4x4_t sums = widen<kSigned>(vdupq_n_u8(0));
      for_taps(run, x + c, [&](const uint8_t* tap) {
        const int32x4x4_t v = widen<kSigned>(vld1q_u8(tap));
        for (int j = 0; j < 4; ++j) sums.val[j] = vaddq_s32(sums.val[j], v.val[j]);
      });
      vst1q_u8(y + c, finish(sums, a));
    }
    if (c == run.channels) continue;
    int32_t rest[16] = {};
    for_taps(run, x + c, [&](const uint8_t* tap) {
      for (int64_t k = 0; k < run.channels - c; ++k) rest[k] += value<kSigned>(tap[k]);
    });
    store_first(finish(vld1q_s32_x4(rest), a), run.channels - c, y + c);
  }
}

void average(const PoolRun& run, const PoolAverage& a) {
  run.is_signed ? average_as<true>(run, a) : average_as<false>(run, a);
}

}  // namespace

const PoolKernel kPoolNeon{maximum, average};

}  // namespace octile
