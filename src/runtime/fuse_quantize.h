// Quantize steps that an engine leaves to the convolution behind them, where that one's tactics
// can: on GPUs, whose first layers read floats. The bits are the same.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "plan/quantize_chains.h"

namespace octile {

/// The plan as an engine runs it.
struct FusedPlan {
  std::shared_ptr<const PlanData> plan;  // null: nothing is fused
  std::vector<bool> absorbed;            // by step: done by the step that reads it
};

/// Fuses in all profiles or none. Nothing in engines whose tensors are looked at.
FusedPlan fuse_quantize(const PlanData& plan, const Backend& backend, const Device& device);

}  // namespace octile
