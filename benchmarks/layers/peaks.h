// Register-only ceilings of this CPU: for each sequence of instructions that a kernel may be made
// of, a loop that does nothing else. Rows live in leaf files, one an instruction set; the leaves
// include this header and intrinsics only.
#pragma once

#include <cstdint>

namespace octile::bench {

/// One sequence. `run(n)` does n times `operations` (a multiply and an add count two).
struct PeakLoop {
  const char* name;
  double operations;
  void (*run)(int64_t iterations);
};

struct PeakLoops {
  const PeakLoop* list;
  int count;
};

extern const PeakLoops kPeaksAvx2, kPeaksAvxVnni, kPeaksAvx512Vnni, kPeaksAmx;

}  // namespace octile::bench
