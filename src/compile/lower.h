// The watershed: groups with Quantize / Dequantize layers around them become steps.
#pragma once

#include <vector>

#include "compile/group.h"
#include "plan/plan_data.h"

namespace octile {

/// Lowers the network. INT8 is read off the graph: a weighted group whose operands come from
/// Dequantize becomes an int8 step, and absorbs the Quantize that alone reads its output. Fills
/// tensors, steps, blobs, inputs, outputs; tactics and profiles come later. `notes` has one text a
/// group (may be empty strings).
std::shared_ptr<PlanData> lower(const Network& network, const std::vector<Group>& groups,
                                const std::vector<std::string>& notes);

}  // namespace octile
