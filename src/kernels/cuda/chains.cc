// See chains.h.
#include "kernels/cuda/chains.h"

#include <cstdlib>
#include <string_view>

#include "backend/join_steps.h"
#include "kernels/cuda/rows.h"

namespace octile::cuda {
namespace {

bool chains_allowed() {
  static const bool allowed = [] {
    const char* value = std::getenv("OCTILE_GPU_CHAINS");
    return value == nullptr || std::string_view(value) != "0";
  }();
  return allowed;
}

}  // namespace

std::vector<FoundChain> find_chains(std::span<const ChosenStep> steps, const Device& device) {
  if (!chains_allowed()) return {};
  return join_steps(steps, [&](const ChosenStep& first, const ChosenStep& second) {
    return convolve_and_pool(first, *second.view, device);
  });
}

}  // namespace octile::cuda
