// The loop of every ceiling. Instructions are written in assembly: nothing is folded, moved or
// spilled, what is timed is what stands here. Included by leaf files only.
#pragma once

#include "peaks.h"

namespace octile::bench {
namespace {

constexpr int kSums = 12;  // enough to hide an instruction's latency, few enough for 16 registers

/// Runs `step(sum)` on kSums independent sums.
template <typename Vector, typename Step>
inline void loop(int64_t iterations, Step step) {
  Vector a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{}, i{}, j{}, k{}, l{};
  for (int64_t n = 0; n < iterations; ++n) {
    step(a), step(b), step(c), step(d), step(e), step(f);
    step(g), step(h), step(i), step(j), step(k), step(l);
  }
}

}  // namespace
}  // namespace octile::bench
