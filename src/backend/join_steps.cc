// See join_steps.h.
#include "backend/join_steps.h"

namespace octile {
namespace {

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

}  // namespace

std::vector<FoundChain> join_steps(std::span<const ChosenStep> steps, const JoinSteps& join) {
  std::vector<FoundChain> found;
  const std::vector<int> readers = readers_of(steps);
  for (size_t first = 0; first < steps.size(); ++first) {
    if (!steps[first].view || steps[first].view->step.outputs.empty()) continue;
    const int32_t made = steps[first].view->step.outputs[0];
    if (readers[static_cast<size_t>(made)] != 1) continue;
    size_t second = first + 1;
    while (second < steps.size() && !steps[second].view) ++second;
    if (second == steps.size()) break;
    const StepView& view = *steps[second].view;
    if (view.step.inputs.empty() || view.step.inputs[0] != made) continue;
    if (auto chain = join(steps[first], steps[second])) {
      found.push_back({first, second + 1 - first, std::move(chain)});
      first = second;
    }
  }
  return found;
}

}  // namespace octile
