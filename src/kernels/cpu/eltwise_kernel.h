// The contract of the leaf files eltwise_<isa>.cc: add and mul of two 8-bit arrays of one length.
#pragma once

#include <cstdint>

namespace octile {

struct EltwiseArguments {
  float m_a, m_b;  // mul has m_a alone
  int32_t a_zero, b_zero, y_zero;
  float lo, hi;  // q_lo − y_zero and q_hi − y_zero
  bool a_signed, b_signed;
};

struct EltwiseKernel {
  /// v = float(a − a_zero)·m_a + float(b − b_zero)·m_b: two multiplies, then one add.
  void (*add)(const uint8_t* a, const uint8_t* b, int64_t count, const EltwiseArguments& arguments,
              uint8_t* y);
  /// v = float((a − a_zero)·(b − b_zero))·m_a.
  void (*mul)(const uint8_t* a, const uint8_t* b, int64_t count, const EltwiseArguments& arguments,
              uint8_t* y);
};
// Both: y = y_zero + rne(clamp(v, lo, hi)). y may be a or b.

extern const EltwiseKernel kEltwiseAvx2, kEltwiseAvx512, kEltwiseNeon;

}  // namespace octile
