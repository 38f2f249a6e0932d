// The contract of the leaf files softmax_<isa>.cc: 8-bit softmax of contiguous groups by a table
// (docs/arithmetic.md). The sum is an integer, so no order of adding is wrong.
#pragma once

#include <cstdint>

namespace octile {

struct SoftmaxKernel {
  /// The largest of `count` ≥ 1 values.
  int32_t (*maximum)(const uint8_t* x, bool is_signed, int64_t count);
  /// Σ table[max − x[i]], entries in [0, 2^23].
  uint64_t (*sum)(const int32_t* table, const uint8_t* x, bool is_signed, int32_t max,
                  int64_t count);
  /// y[i] = float(table[max − x[i]]) / total, a true division.
  void (*divide)(const int32_t* table, const uint8_t* x, bool is_signed, int32_t max, int64_t count,
                 float total, float* y);
};

extern const SoftmaxKernel kSoftmaxAvx2, kSoftmaxAvx512, kSoftmaxNeon;

}  // namespace octile
