// What the engines of a build that measures really compute in.
#pragma once

#include <vector>

#include "tune/precision_choice.h"

namespace octile {

/// What each group's steps compute in, which is its label but where the model quantized the group
/// itself, or where lowering had to compute in float (LayerInfo::note says why).
std::vector<Label> built_labels(const LabelledGraph& graph, const Candidate& candidate);

std::ptrdiff_t int8_count(const std::vector<Label>& labels);

}  // namespace octile
