// A ring of stages in shared memory, filled by the copy engine: which stage comes next, and the
// parity of its barriers.
#pragma once

#include <cstdint>

namespace octile::cuda {

/// Where a reader or a writer is in the ring.
struct Ring {
  int stage = 0;
  uint32_t parity = 0;
  __device__ __forceinline__ void advance(int stages) {
    if (++stage == stages) stage = 0, parity ^= 1;
  }
};

}  // namespace octile::cuda
