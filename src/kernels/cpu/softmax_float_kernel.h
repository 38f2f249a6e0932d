// The contract of the leaf file softmax_float_<isa>.cc: softmax of contiguous rows of floats.
#pragma once

#include <cstdint>

namespace octile {

/// y may be x.
using SoftmaxFloat = void (*)(const float* x, int64_t rows, int64_t count, float* y);

extern const SoftmaxFloat kSoftmaxFloatAvx512;

}  // namespace octile
