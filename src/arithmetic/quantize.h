// The INT8 arithmetic as code (docs/arithmetic.md): quantization parameters and the scalar rules.
// Header-only, for host and device; every backend's scalar tails and the portable kernels call
// these. On the device they need --fmad=false (src/kernels/cuda/CMakeLists.txt): an FMA changes
// bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/host_device.h"

namespace octile {

/// Scale and zero point of one tensor (or one sample): x ≈ scale · (q − zero_point).
struct QuantParams {
  float scale = 1.0f;
  int32_t zero_point = 0;
};

/// Round to nearest, ties to even; the default rounding mode is a precondition of the library.
OCTILE_HOST_DEVICE inline float rne(float x) {
#ifdef __CUDA_ARCH__
  return ::rintf(x);
#else
  return __builtin_rintf(x);
#endif
}

/// min(max(v, lo), hi) with max(NaN, lo) = lo: the order of x86's instructions.
OCTILE_HOST_DEVICE inline float clamp_value(float v, float lo, float hi) {
  v = v > lo ? v : lo;
  return v < hi ? v : hi;
}

/// q = z + rne(clamp(x / s, lo − z, hi − z)): one binary32 division, clamp before converting.
OCTILE_HOST_DEVICE inline int32_t quantize_value(float x, float scale, int32_t zero_point,
                                                 int32_t lo, int32_t hi) {
  const float v = clamp_value(x / scale, static_cast<float>(lo - zero_point),
                              static_cast<float>(hi - zero_point));
  return zero_point + static_cast<int32_t>(rne(v));
}

OCTILE_HOST_DEVICE inline float dequantize_value(int32_t q, float scale, int32_t zero_point) {
  return scale * static_cast<float>(q - zero_point);
}

/// False for 0, subnormals and NaN: such a tensor counts as all zeros, and its scale is 1.
inline bool is_scale(float scale) { return scale >= std::numeric_limits<float>::min(); }

/// T / 127; 1 when that is no normal number (an all-zero tensor quantizes to zeros).
inline QuantParams symmetric_params(float threshold) {
  const float scale = threshold / 127.0f;
  return {is_scale(scale) ? scale : 1.0f, 0};
}

/// (max − min) / 255 over a range widened to hold 0; z = rne(−min / s) in [0, 255]. A width beyond
/// binary32 is halved first: exact, and the quotient is the same.
inline QuantParams affine_params(float min, float max) {
  min = std::min(min, 0.0f);
  max = std::max(max, 0.0f);
  const float width = max - min;
  const float scale = width <= std::numeric_limits<float>::max()
                          ? width / 255.0f
                          : (0.5f * max - 0.5f * min) / 127.5f;
  if (!is_scale(scale)) return {1.0f, 0};
  return {scale, static_cast<int32_t>(rne(clamp_value(-min / scale, 0.0f, 255.0f)))};
}

/// A value that enters the range of a dynamic scheme: neither NaN nor infinite.
OCTILE_HOST_DEVICE inline bool is_in_range(float x) {
  return std::fabs(x) <= std::numeric_limits<float>::max();
}

/// max( max|w| / 127, |b| / (s_x · 2^30) ); 1 if both are 0. Pass s_x = 0 for the first term alone
/// (dynamic schemes).
inline float weight_scale(float abs_max_weight, float bias, float input_scale) {
  double scale = static_cast<double>(abs_max_weight / 127.0f);
  if (input_scale > 0.0f) {
    scale = std::max(
        scale, std::fabs(static_cast<double>(bias)) / (static_cast<double>(input_scale) * 0x1p30));
  }
  const auto rounded = static_cast<float>(scale);
  return rounded > 0.0f ? rounded : 1.0f;
}

/// m = float(double(s_x) · double(s_w) / double(s_y)).
inline float output_multiplier(float input_scale, float weight_scale, float output_scale) {
  return static_cast<float>(static_cast<double>(input_scale) * static_cast<double>(weight_scale) /
                            static_cast<double>(output_scale));
}

/// float(double(a) · double(b)): the multiplier of float outputs and of dynamic schemes.
OCTILE_HOST_DEVICE inline float product_scale(float a, float b) {
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b));
}

/// Multipliers that a step may hold: finite, positive, not subnormal.
inline bool is_usable_multiplier(float m) {
  return m >= std::numeric_limits<float>::min() && m <= std::numeric_limits<float>::max();
}

/// True when int32 holds the sum of `count` terms of magnitude up to `largest`.
inline bool sum_fits(int64_t count, int64_t largest) {
  return static_cast<double>(count) * static_cast<double>(largest) < 0x1p31;
}

/// Multipliers below this make the channel constant: w_q = bias_q = 0, m = 1.
inline constexpr float kSmallestMultiplier = 0x1p-100f;

/// y = z + rne(clamp(v, lo − z, hi − z)) for v already in units of the output scale.
OCTILE_HOST_DEVICE inline int32_t requantize_value(float v, int32_t zero_point, int32_t lo,
                                                   int32_t hi) {
  v = clamp_value(v, static_cast<float>(lo - zero_point), static_cast<float>(hi - zero_point));
  return zero_point + static_cast<int32_t>(rne(v));
}

/// The weighted step's epilogue without residual: int32 → float (rne), one multiply.
OCTILE_HOST_DEVICE inline int32_t requantize(int32_t acc, float multiplier, int32_t zero_point,
                                             int32_t lo, int32_t hi) {
  return requantize_value(static_cast<float>(acc) * multiplier, zero_point, lo, hi);
}

/// With a fused residual: two multiplies, then one add, in this order.
OCTILE_HOST_DEVICE inline int32_t requantize_add(int32_t acc, float multiplier, int32_t residual,
                                                 float residual_multiplier, int32_t zero_point,
                                                 int32_t lo, int32_t hi) {
  const float v = static_cast<float>(acc) * multiplier;
  const float r = static_cast<float>(residual) * residual_multiplier;
  return requantize_value(v + r, zero_point, lo, hi);
}

/// m of averages and sums: float( double(s_x) / (double(s_y) · count) ).
inline float average_multiplier(float input_scale, float output_scale, int64_t count) {
  return static_cast<float>(static_cast<double>(input_scale) /
                            (static_cast<double>(output_scale) * static_cast<double>(count)));
}

/// Entry d of softmax's table: rne(exp(−s_x · d) · 2^23), exp in binary64.
inline uint32_t softmax_entry(float input_scale, int32_t distance) {
  const double e = std::exp(-static_cast<double>(input_scale) * distance) * 0x1p23;
  return static_cast<uint32_t>(__builtin_rint(e));
}

}  // namespace octile
