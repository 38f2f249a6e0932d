// Choosing rows of a backend's table; see backend.h.
#include "backend/backend.h"

#include "base/cpu.h"
#include "base/error.h"
#include "plan/places.h"

namespace octile {

std::string refusal(const Tactic& tactic, const StepView& view, const Device& device) {
  if (!isa_includes(device.isa, tactic.isa()) ||
      (tactic.isa() != Isa::kPortable && !cpu_supports(tactic.isa()))) {
    return fmt::format("needs {}", name_of(tactic.isa()));
  }
  return tactic.refuse(view, device);
}

std::vector<const Tactic*> accepting(const Backend& backend, const StepView& view,
                                     const Device& device) {
  std::vector<const Tactic*> rows;
  for (const Tactic* tactic : backend.tactics()) {
    if (refusal(*tactic, view, device).empty()) rows.push_back(tactic);
  }
  return rows;
}

const Tactic& first_accepting(const Backend& backend, const StepView& view, const Device& device) {
  std::string reasons;
  for (const Tactic* tactic : backend.tactics()) {
    const std::string reason = refusal(*tactic, view, device);
    if (reason.empty()) return *tactic;
    reasons += fmt::format("\n  {}: {}", tactic->name(), reason);
  }
  fail(ErrorCode::kUnsupported, "step '{}' ({}): no tactic accepts it:{}", view.step.name,
       name_of(view.step.step), reasons);
}

const Tactic* find_tactic(const Backend& backend, std::string_view name) {
  for (const Tactic* tactic : backend.tactics()) {
    if (tactic->name() == name) return tactic;
  }
  return nullptr;
}

StepView make_view(const PlanData& plan, const PlanStep& step, std::span<const Shape> shapes,
                   std::span<const Place> places) {
  StepView view{plan, step, {}, {}};
  const auto add = [&](int32_t index, std::vector<PlanTensor>& list) {
    list.push_back(plan.tensors[static_cast<size_t>(index)]);
    list.back().shape = shapes[static_cast<size_t>(index)];
    if (!places.empty()) list.back().row_stride = places[static_cast<size_t>(index)].row_stride;
  };
  for (int32_t index : step.inputs) add(index, view.inputs);
  for (int32_t index : step.outputs) add(index, view.outputs);
  return view;
}

}  // namespace octile
