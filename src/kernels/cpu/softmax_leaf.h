// From softmax_kernel.h's functions to those of one signedness, which the leaf file defines. Leaf
// files alone include this.
#pragma once

#include "kernels/cpu/softmax_kernel.h"

namespace octile {
namespace {

template <bool kSigned>
int32_t maximum_as(const uint8_t* x, int64_t count);
template <bool kSigned>
uint64_t sum_as(const int32_t* table, const uint8_t* x, int32_t max, int64_t count);
template <bool kSigned>
void divide_as(const int32_t* table, const uint8_t* x, int32_t max, int64_t count, float total,
               float* y);

inline int32_t maximum(const uint8_t* x, bool is_signed, int64_t count) {
  return is_signed ? maximum_as<true>(x, count) : maximum_as<false>(x, count);
}

inline uint64_t sum(const int32_t* table, const uint8_t* x, bool is_signed, int32_t max,
                    int64_t count) {
  return is_signed ? sum_as<true>(table, x, max, count) : sum_as<false>(table, x, max, count);
}

inline void divide(const int32_t* table, const uint8_t* x, bool is_signed, int32_t max,
                   int64_t count, float total, float* y) {
  is_signed ? divide_as<true>(table, x, max, count, total, y)
            : divide_as<false>(table, x, max, count, total, y);
}

}  // namespace
}  // namespace octile
