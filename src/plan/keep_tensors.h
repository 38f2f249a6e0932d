// Memory for runs whose inner tensors are read afterwards: calibration and comparison.
#pragma once

#include "plan/plan_data.h"

namespace octile {

/// As plan_memory(), with every tensor at an offset of its own, which engines keep.
void plan_memory_without_reuse(const PlanData& plan, PlanProfile& profile);

}  // namespace octile
