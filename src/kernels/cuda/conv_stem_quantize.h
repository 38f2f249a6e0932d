// Quantization inside first layers: quantize_value() (arithmetic/quantize.h) without its division,
// bit for bit. The host's version is there for the test.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "arithmetic/quantize.h"
#include "kernels/cuda/conv_kernel.h"

namespace octile::cuda {

/// x ↦ rne(clamp(x / s, lo, hi)), lo = q_lo − z, hi = q_hi − z, for lo ≤ 0 ≤ hi.
///
/// With r = 1 / s correctly rounded, two corrections of x · r give the correctly rounded x / s
/// (Markstein, 1990) unless something over- or underflows: hence the bounds on s, and the clamp of
/// x first. That is a clamp to the rounded s · lo and s · hi: quotients within 2^-23 of an integer
/// below 2^9 round to it, so that clamping before or after the division comes to the same.
struct StemQuantizer {
  float scale = 1.0f, inverse = 1.0f, lo = 0.0f, hi = 0.0f;  // lo, hi: of x

  StemQuantizer() = default;
  explicit StemQuantizer(const ConvProblem& p)
      : scale(p.x_scale),
        inverse(1.0f / p.x_scale),
        lo(p.x_scale * static_cast<float>(p.x_q_lo - p.x_zero_point)),
        hi(p.x_scale * static_cast<float>(p.x_q_hi - p.x_zero_point)) {}

  static bool takes(const ConvProblem& p) {
    return p.x_scale > 0x1p-60f && p.x_scale < 0x1p60f && p.x_q_lo <= p.x_zero_point &&
           p.x_zero_point <= p.x_q_hi;
  }

  /// The bits of 1.5 · 2^23 + the result: kBits + the result, as integers.
  static constexpr uint32_t kBits = 0x4b400000u;
  OCTILE_HOST_DEVICE uint32_t bits(float x) const {
    constexpr float kRound = 12582912.0f;
#ifdef __CUDA_ARCH__
    x = fminf(fmaxf(x, lo), hi);  // NaN becomes lo
    float q = __fmul_rn(x, inverse);
    q = __fmaf_rn(__fmaf_rn(-q, scale, x), inverse, q);
    q = __fmaf_rn(__fmaf_rn(-q, scale, x), inverse, q);
    return __float_as_uint(__fadd_rn(q, kRound));
#else
    x = clamp_value(x, lo, hi);
    float q = x * inverse;
    q = std::fma(std::fma(-q, scale, x), inverse, q);
    q = std::fma(std::fma(-q, scale, x), inverse, q);
    return std::bit_cast<uint32_t>(q + kRound);
#endif
  }
};

}  // namespace octile::cuda
