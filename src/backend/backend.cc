// Choosing rows of a backend's table; see backend.h.
#include "backend/backend.h"

#include <charconv>

#include "base/cpu.h"
#include "base/error.h"
#include "plan/places.h"

namespace octile {

std::string refusal(const Tactic& tactic, const StepView& view, const Device& device) {
  const Isa needed = tactic.isa();
  const bool absent = needed != Isa::kPortable && !is_gpu_level(needed) && !cpu_supports(needed);
  if (absent || !isa_includes(device.isa, needed)) return fmt::format("needs {}", name_of(needed));
  if (view.quantized && !tactic.quantizes_input()) return "does not quantize its input";
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

DeviceName device_from_name(std::string_view name) {
  const size_t colon = name.find(':');
  const std::string_view family = name.substr(0, colon);
  int ordinal = 0;
  bool valid = family == "cpu" || family == "cuda";
  if (colon != std::string_view::npos) {
    const std::string_view digits = name.substr(colon + 1);
    const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ordinal);
    valid = valid && error == std::errc{} && at == digits.data() + digits.size() &&
            !digits.starts_with('-') && (family != "cpu" || ordinal == 0);
  }
  check(valid, ErrorCode::kInvalidArgument,
        "unknown device '{}': use cpu, cuda:0, cuda:1 … (`octile devices` lists them)", name);
  for (const Backend* backend : backends()) {
    if (backend->name() == family) return {backend, ordinal};
  }
  fail(ErrorCode::kDevice,
       "device {}: this build has no {} (build where nvcc is, with -DOCTILE_CUDA=ON); use cpu",
       name, family);
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
  if (const int32_t inner = step.inner_quantize.tensor; inner >= 0) {
    view.quantized = plan.tensors[static_cast<size_t>(inner)];
    view.quantized->shape = shapes[static_cast<size_t>(inner)];
  }
  return view;
}

}  // namespace octile
