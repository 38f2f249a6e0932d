// The next multiple of a number.
#pragma once

#include <cstdint>

namespace octile {

/// REQUIRES: n ≥ 0, multiple > 0.
constexpr int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace octile
