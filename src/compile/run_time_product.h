// Products of two operands that are both made at run time, as attention has them. In INT8 the left
// operand is on any grid, the right one is symmetric in [−127, 127].
#pragma once

#include "octile/network.h"

namespace octile {

/// Float matrices on both sides, neither of them known at build.
bool is_run_time_product(const Network& network, LayerId layer);

}  // namespace octile
