// Which steps of a plan become one launch (conv_chain.h).
#pragma once

#include "backend/backend.h"

namespace octile::cuda {

/// See Backend::find_chains(). None where the GPU is not of sm_90, or OCTILE_GPU_CHAINS=0.
std::vector<FoundChain> find_chains(std::span<const std::optional<StepView>> views,
                                    const Device& device);

}  // namespace octile::cuda
