// See chains.h.
#include "kernels/cuda/chains.h"

#include <cstdlib>
#include <string_view>

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

/// How many steps read each tensor; being an output counts.
std::vector<int> readers_of(std::span<const ChosenStep> steps) {
  std::vector<int> readers;
  for (const ChosenStep& s : steps) {
    if (!s.view) continue;
    if (readers.empty()) {
      readers.resize(s.view->plan.tensors.size(), 0);
      for (const int32_t t : s.view->plan.outputs) ++readers[static_cast<size_t>(t)];
    }
    for (const int32_t t : s.view->step.inputs) ++readers[static_cast<size_t>(t)];
  }
  return readers;
}

/// Of two steps, one of them a pooling; null where they are no chain.
std::unique_ptr<Chain> chain_of(const ChosenStep& first, const ChosenStep& second,
                                const Device& device) {
  if (is_foldable_pooling(*first.view)) return pool_and_convolve(*first.view, second, device);
  if (is_foldable_pooling(*second.view)) return convolve_and_pool(first, *second.view, device);
  return nullptr;
}

}  // namespace

std::vector<FoundChain> find_chains(std::span<const ChosenStep> steps, const Device& device) {
  std::vector<FoundChain> found;
  if (!chains_allowed()) return found;
  const std::vector<int> readers = readers_of(steps);
  for (size_t first = 0; first < steps.size(); ++first) {
    if (!steps[first].view || steps[first].view->step.outputs.empty()) continue;
    int32_t made = steps[first].view->step.outputs[0];
    for (size_t s = first + 1; s < steps.size() && readers[static_cast<size_t>(made)] == 1; ++s) {
      if (!steps[s].view) continue;
      const StepView& view = *steps[s].view;
      if (view.step.inputs.empty() || view.step.inputs[0] != made) break;
      if (view.as<ViewStep>() != nullptr) {
        made = view.step.outputs[0];
        continue;
      }
      if (auto chain = chain_of(steps[first], steps[s], device)) {
        found.push_back({first, s + 1 - first, std::move(chain)});
        first = s;
      }
      break;
    }
  }
  return found;
}

}  // namespace octile::cuda
