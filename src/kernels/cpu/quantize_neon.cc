// NEON row of quantize_kernel.h. Sixteen values a step; tails go through padded copies.
#include <arm_neon.h>

#include "kernels/cpu/byte_leaf.h"
#include "kernels/cpu/quantize_kernel.h"
#include "kernels/cpu/round_neon_leaf.h"

namespace octile {
namespace {

constexpr float kLargest = 0x1.fffffep127f;  // finite

inline uint8x16_t quantize16(const float* x, const QuantizeArguments& a) {
  int32x4_t q[4];
  for (int i = 0; i < 4; ++i) {
    const float32x4_t v = vdivq_f32(vld1q_f32(x + 4 * i), vdupq_n_f32(a.scale));
    q[i] = rounded(v, a.lo, a.hi, a.zero);
  }
  return low_bytes(q[0], q[1], q[2], q[3]);
}

/// The same for the first `count` < 16 values, the rest undefined.
inline uint8x16_t quantize_tail(const float* x, int64_t count, const QuantizeArguments& a) {
  float padded[16] = {};
  for (int64_t i = 0; i < count; ++i) padded[i] = x[i];
  return quantize16(padded, a);
}

void quantize(const float* x, int64_t count, const QuantizeArguments& a, uint8_t* y) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) vst1q_u8(y + i, quantize16(x + i, a));
  if (i < count) store_first(quantize_tail(x + i, count - i, a), count - i, y + i);
}

void interleave(const float* x, int64_t channels, int64_t plane, int64_t count,
                const QuantizeArguments& a, uint8_t* y) {
  int64_t p = 0;
  for (; channels == 3 && p + 16 <= count; p += 16) {
    const uint8x16x3_t pixels = {
        {quantize16(x + p, a), quantize16(x + plane + p, a), quantize16(x + 2 * plane + p, a)}};
    vst3q_u8(y + p * 3, pixels);
  }
  for (; p < count; p += 16) {
    const int64_t n = count - p < 16 ? count - p : 16;
    for (int64_t c = 0; c < channels; ++c) {
      const float* from = x + c * plane + p;
      uint8_t buffer[16];
      vst1q_u8(buffer, n == 16 ? quantize16(from, a) : quantize_tail(from, n, a));
      for (int64_t i = 0; i < n; ++i) y[(p + i) * channels + c] = buffer[i];
    }
  }
}

/// x where it is finite, else 0, which is in every range.
inline float32x4_t finite_or_zero(float32x4_t x) {
  const uint32x4_t finite = vcaleq_f32(x, vdupq_n_f32(kLargest));  // |x| ≤ kLargest
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), finite));
}

void range(const float* x, int64_t count, float* least, float* largest) {
  float32x4_t low[2] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)}, high[2] = {low[0], low[0]};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int j = 0; j < 2; ++j) {
      const float32x4_t v = finite_or_zero(vld1q_f32(x + i + 4 * j));
      low[j] = vminq_f32(low[j], v);
      high[j] = vmaxq_f32(high[j], v);
    }
  }
  float lo = vminvq_f32(vminq_f32(low[0], low[1])), hi = vmaxvq_f32(vmaxq_f32(high[0], high[1]));
  for (; i < count; ++i) {
    if (!(x[i] >= -kLargest && x[i] <= kLargest)) continue;
    lo = x[i] < lo ? x[i] : lo;
    hi = x[i] > hi ? x[i] : hi;
  }
  *least = lo;
  *largest = hi;
}

template <bool kSigned>
void dequantize_as(const uint8_t* x, int64_t count, float scale, int32_t zero, float* y) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const int32x4x4_t q = widen<kSigned>(vld1q_u8(x + i));
    for (int j = 0; j < 4; ++j) {
      const float32x4_t v = vcvtq_f32_s32(vsubq_s32(q.val[j], vdupq_n_s32(zero)));
      vst1q_f32(y + i + 4 * j, vmulq_f32(vdupq_n_f32(scale), v));
    }
  }
  for (; i < count; ++i) y[i] = scale * static_cast<float>(value<kSigned>(x[i]) - zero);
}

void dequantize(const uint8_t* x, bool is_signed, int64_t count, float scale, int32_t zero,
                float* y) {
  is_signed ? dequantize_as<true>(x, count, scale, zero, y)
            : dequantize_as<false>(x, count, scale, zero, y);
}

}  // namespace

const QuantizeKernel kQuantizeNeon{quantize, interleave, range, dequantize};

}  // namespace octile
