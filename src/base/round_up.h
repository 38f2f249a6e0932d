// The next multiple of a number, and where buffers begin.
#pragma once

#include <cstdint>

namespace octile {

/// REQUIRES: n ≥ 0, multiple > 0.
constexpr int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

/// Buffers begin at multiples of this many bytes: a cache line, an AVX-512 register.
inline constexpr int64_t kAlignment = 64;

constexpr int64_t aligned(int64_t bytes) { return round_up(bytes, kAlignment); }

}  // namespace octile
