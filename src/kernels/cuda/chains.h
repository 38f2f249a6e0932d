// Steps that go into one launch where the GPU runs a recorded graph: a convolution and the max
// pooling that reads it.
#pragma once

#include <span>
#include <vector>

#include "backend/backend.h"

namespace octile::cuda {

/// By their first step. OCTILE_GPU_CHAINS=0 in the environment: none.
std::vector<FoundChain> find_chains(std::span<const ChosenStep> steps, const Device& device);

}  // namespace octile::cuda
