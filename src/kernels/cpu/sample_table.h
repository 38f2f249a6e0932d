// The tables of dynamic steps: what a sample's own scale and zero point make of packed weights.
#pragma once

#include <cstdint>

#include "arithmetic/quantize.h"

namespace octile {

/// Of packed columns: where their sums start, Σw_q, and s_w.
struct SampleColumns {
  int64_t count;
  const int32_t *start, *weight_sum;
  const float* scale;
};

/// One sample's starts of the sums (start − z·Σw, which wraps as sums may) and multipliers s·s_w.
inline void fill_sample_table(const SampleColumns& columns, float scale, int32_t zero,
                              int32_t* starts, float* multipliers) {
  for (int64_t c = 0; c < columns.count; ++c) {
    starts[c] = static_cast<int32_t>(static_cast<uint32_t>(columns.start[c]) -
                                     static_cast<uint32_t>(zero) *
                                         static_cast<uint32_t>(columns.weight_sum[c]));
    multipliers[c] = product_scale(scale, columns.scale[c]);
  }
}

}  // namespace octile
