// What validate() asks of one step: operands, types, layouts, attributes, sizes of its weights.
#pragma once

#include <string>

#include "plan/plan_data.h"

namespace octile {

/// Throws kInvalidFile naming `origin` and the step. REQUIRES: tensor indices are in range.
void check_step(const PlanData& plan, const PlanStep& step, const std::string& origin);

/// True when `bytes` is exactly what the type and shape need; false too where that overflows.
bool holds(size_t bytes, DataType type, const Shape& shape);

}  // namespace octile
