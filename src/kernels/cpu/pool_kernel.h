// The contract of the leaf files pool_<isa>.cc: pooling of 8-bit channels-last pixels whose windows
// have one shape. int8 and uint8 differ in order and in their values as integers.
#pragma once

#include <cstdint>

namespace octile {

/// Windows of `rows` × `columns` taps; distances in bytes. Output pixel i starts at x + i·step and
/// is written to y + i·y_step.
struct PoolRun {
  const uint8_t* x;
  uint8_t* y;
  int64_t pixels, step, y_step;
  int64_t rows, row_stride, columns, column_stride;  // at least one tap
  int64_t channels;
  bool is_signed;
};

/// y = y_zero + rne(clamp(float(Σx − zero_sum)·multiplier, lo, hi)).
struct PoolAverage {
  int32_t zero_sum;  // taps · z_x
  float multiplier;
  float lo, hi;  // the ends of y's type, less y_zero
  int32_t y_zero;
};

struct PoolKernel {
  void (*maximum)(const PoolRun& run);
  void (*average)(const PoolRun& run, const PoolAverage& average);
};

extern const PoolKernel kPoolAvx2, kPoolAvx512, kPoolNeon;

}  // namespace octile
