// Finding steps that can go into one launch.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"

namespace octile {

/// Makes one of two steps, or null where they do not go together.
using JoinSteps =
    std::function<std::unique_ptr<Chain>(const ChosenStep& first, const ChosenStep& second)>;

/// Pairs of a step and the next one that has something to do, which alone reads its first output as
/// its first input, and that `join` takes; no step is in two.
std::vector<FoundChain> join_steps(std::span<const ChosenStep> steps, const JoinSteps& join);

}  // namespace octile
