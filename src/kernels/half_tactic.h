// Steps with float16 data on a CPU: plans built for a GPU run there too, slower and as exactly.
#pragma once

#include "backend/backend.h"

namespace octile {

/// Converts what the step reads to float32, runs the CPU's first row that accepts it then, and
/// rounds what that wrote. Refuses steps that only move bytes, and generic ones: their rows take
/// any type.
const Tactic& half_tactic();

}  // namespace octile
