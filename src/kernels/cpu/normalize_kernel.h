// The contract of the leaf files normalize_<isa>.cc: layer normalization of contiguous rows. Sums
// are made in several float parts, so results agree with others' within float's tolerance only.
#pragma once

#include <cstdint>

namespace octile {

struct NormalizeArguments {
  int64_t count;  // of a row
  float epsilon;
  const float *scale, *shift;  // [count], or null
};

struct NormalizeKernel {
  void (*run)(const float* x, int64_t rows, const NormalizeArguments& a, float* y);
};

extern const NormalizeKernel kNormalizeAvx2, kNormalizeAvx512;

}  // namespace octile
