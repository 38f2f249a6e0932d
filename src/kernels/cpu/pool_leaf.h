// How every row of pool_kernel.h walks a window. Leaf files alone include this.
#pragma once

#include "kernels/cpu/pool_kernel.h"

namespace octile {
namespace {

/// Calls f(tap) for the window of one pixel.
template <typename F>
inline void for_taps(const PoolRun& run, const uint8_t* x, F&& f) {
  for (int64_t r = 0; r < run.rows; ++r) {
    const uint8_t* tap = x + r * run.row_stride;
    for (int64_t c = 0; c < run.columns; ++c, tap += run.column_stride) f(tap);
  }
}

}  // namespace
}  // namespace octile
