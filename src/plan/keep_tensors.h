// Plans for runs whose inner tensors are looked at: calibration, comparison, noise.
#pragma once

#include "plan/plan_data.h"

namespace octile {

/// As plan_memory(), with every tensor at an offset of its own, which engines keep.
void plan_memory_without_reuse(const PlanData& plan, PlanProfile& profile);

/// The plan for these input shapes alone (within `profile`), with memory for every tensor.
std::shared_ptr<const PlanData> keeping_tensors(const PlanData& plan, size_t profile,
                                                const std::vector<Shape>& shapes);

/// By tensor: the one whose shape and layout say how its bytes lie. Its own, but for flattened
/// channels-last images, which lowering leaves as they lie (the rows of the product's weights are
/// permuted instead).
std::vector<int32_t> byte_orders(const PlanData& plan);

}  // namespace octile
