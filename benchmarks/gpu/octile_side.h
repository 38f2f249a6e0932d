// Rows of our convolution table, ready to be timed.
#pragma once

#include "machine.h"
#include "problems.h"
#include "timing.h"

namespace octile::benchmark {

/// Packs random weights into machine.packed, so one row at a time can be replayed. Empty where the
/// row wants more scratch than there is.
Replay record_row(const Machine& machine, const cuda::ConvKernel& kernel, const Problem& problem);

}  // namespace octile::benchmark
