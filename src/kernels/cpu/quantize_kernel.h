// The contract of the leaf files quantize_<isa>.cc: float to 8 bits and back, bit for bit by
// docs/arithmetic.md. int8 and uint8 are the same bytes; the clamp tells them apart.
#pragma once

#include <cstdint>

namespace octile {

struct QuantizeArguments {
  float scale;
  float lo, hi;  // q_lo − zero and q_hi − zero
  int32_t zero;
};

struct QuantizeKernel {
  /// y[i] = zero + rne(clamp(x[i] / scale, lo, hi)), a true division.
  void (*quantize)(const float* x, int64_t count, const QuantizeArguments& a, uint8_t* y);
  /// Planes to pixels: y[p·channels + c] = quantize(x[c·plane + p]) for p < count.
  void (*interleave)(const float* x, int64_t channels, int64_t plane, int64_t count,
                     const QuantizeArguments& a, uint8_t* y);
  /// Least and largest finite value, 0 included.
  void (*range)(const float* x, int64_t count, float* least, float* largest);
  /// y[i] = scale · float(x[i] − zero).
  void (*dequantize)(const uint8_t* x, bool is_signed, int64_t count, float scale, int32_t zero,
                     float* y);
};

extern const QuantizeKernel kQuantizeAvx2, kQuantizeAvx512, kQuantizeNeon;

}  // namespace octile
