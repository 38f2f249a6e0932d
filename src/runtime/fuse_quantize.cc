// See fuse_quantize.h.
#include "runtime/fuse_quantize.h"

#include <algorithm>

namespace octile {
namespace {

/// Whether the chain's reader had better quantize itself: if the tactic that the plan names does;
/// where that one is not for this device, if any does.
bool fuses(const PlanData& plan, const QuantizeChain& chain, const Backend& backend,
           const Device& device) {
  for (size_t p = 0; p < plan.profiles.size(); ++p) {
    std::vector<Shape> inputs;
    for (const auto& bounds : plan.profiles[p].inputs) inputs.push_back(bounds.max);
    const std::vector<Shape> shapes = infer_all_shapes(plan, inputs);
    const StepView apart = make_view(plan, plan.steps[chain.reader], shapes);
    const StepView fused = make_view(plan, chain.step, shapes);
    const Tactic* preferred = find_tactic(backend, chain.step.tactics[p]);
    const bool is_for_here = preferred != nullptr && refusal(*preferred, apart, device).empty();
    const bool fits = is_for_here ? refusal(*preferred, fused, device).empty()
                                  : !accepting(backend, fused, device).empty();
    if (!fits) return false;
  }
  return true;
}

}  // namespace

FusedPlan fuse_quantize(const PlanData& plan, const Backend& backend, const Device& device) {
  FusedPlan result{nullptr, std::vector<bool>(plan.steps.size(), false)};
  const auto is_watched = [](const PlanProfile& profile) { return profile.keeps_offsets; };
  const auto tactics = backend.tactics();
  if (std::ranges::any_of(plan.profiles, is_watched) ||
      std::ranges::none_of(tactics, [](const Tactic* row) { return row->quantizes_input(); })) {
    return result;
  }
  std::shared_ptr<PlanData> copy;
  for (QuantizeChain& chain : quantize_chains(plan)) {
    if (!fuses(plan, chain, backend, device)) continue;
    if (copy == nullptr) copy = std::make_shared<PlanData>(plan);
    copy->steps[chain.reader] = std::move(chain.step);
    for (const size_t s : chain.absorbed) result.absorbed[s] = true;
  }
  result.plan = std::move(copy);
  return result;
}

}  // namespace octile
