// See noise_plan.h.
#include "tune/noise_plan.h"

#include <algorithm>

#include "base/error.h"
#include "plan/keep_tensors.h"

namespace octile {
namespace {

std::shared_ptr<const PlanData> float_plan(const Network& network,
                                           const std::map<std::string, Tensor>& inputs) {
  CompileOptions options;
  options.build.threads = 1;
  options.build.tactics = BuildOptions::Tactics::kFirst;
  options.build.disabled_passes = pass_names();  // they ran, and would drop the copies
  Profile profile;
  for (const auto& [name, value] : inputs) {
    profile[name] = {value.shape(), value.shape(), value.shape()};
  }
  options.build.profiles = {profile};
  const auto plan = compile(network, nullptr, options);
  std::vector<Shape> shapes;
  for (const auto& bounds : plan->profiles[0].inputs) shapes.push_back(bounds.opt);
  return keeping_tensors(*plan, 0, shapes);
}

/// By step: whether any of the tensors hangs on it.
std::vector<bool> steps_before(const PlanData& plan, const std::vector<int32_t>& tensors) {
  std::vector<bool> wanted(plan.tensors.size(), false), before(plan.steps.size(), false);
  for (const int32_t t : tensors) wanted[size_t(t)] = true;
  for (size_t s = plan.steps.size(); s-- > 0;) {
    const PlanStep& step = plan.steps[s];
    before[s] = std::ranges::any_of(step.outputs, [&](int32_t t) { return wanted[size_t(t)]; });
    for (const int32_t t : step.inputs) wanted[size_t(t)] = wanted[size_t(t)] || before[s];
  }
  return before;
}

std::vector<size_t> listed(const std::vector<bool>& steps) {
  std::vector<size_t> list;
  for (size_t s = 0; s < steps.size(); ++s) {
    if (steps[s]) list.push_back(s);
  }
  return list;
}

}  // namespace

NoisePlan::NoisePlan(const CopiedNetwork& copied, const std::map<std::string, Tensor>& inputs)
    : plan(float_plan(copied.network, inputs)), orders(byte_orders(*plan)) {
  std::vector<Shape> given;
  for (const auto& bounds : plan->profiles[0].inputs) given.push_back(bounds.opt);
  shapes = infer_all_shapes(*plan, given);
  const std::vector<bool> late = late_tensors(*plan);
  find_measured(late);
  float_steps = listed(steps_before(*plan, measured));
  find_probes(copied, late);
}

void NoisePlan::find_measured(const std::vector<bool>& late) {
  std::vector<bool> taken(plan->tensors.size(), false);
  const auto take = [&](int32_t t) {
    const PlanTensor& tensor = plan->tensors[size_t(t)];
    if (taken[size_t(t)] || late[size_t(t)] || !is_float(tensor) || tensor.blob >= 0) return;
    taken[size_t(t)] = true;
    measured.push_back(t);
  };
  for (const int32_t t : plan->outputs) take(t);
  for (const size_t s : listed(steps_before(*plan, plan->outputs))) {
    const PlanStep& step = plan->steps[s];
    if (!late[size_t(step.outputs[0])]) continue;
    for (const int32_t t : step.inputs) take(t);
  }
}

void NoisePlan::find_probes(const CopiedNetwork& copied, const std::vector<bool>& late) {
  // A tensor has its name in every layout; the step that makes it gives it the first.
  std::map<std::string, std::pair<size_t, int32_t>> made;  // step, tensor
  for (size_t s = 0; s < plan->steps.size(); ++s) {
    for (const int32_t t : plan->steps[s].outputs) {
      if (is_float(plan->tensors[size_t(t)])) {
        made.emplace(plan->tensors[size_t(t)].name, std::pair{s, t});
      }
    }
  }
  const auto find = [&](const std::string& name) {
    const auto found = made.find(name);
    check(found != made.end(), ErrorCode::kInternal, "no step makes '{}'", name);
    return found->second;
  };
  std::vector<bool> is_float_step(plan->steps.size(), false);
  for (const size_t s : float_steps) is_float_step[s] = true;
  for (size_t c = 0; c < copied.copies.size(); ++c) {
    const Int8Copy& copy = copied.copies[c];
    if (copy.copy.empty()) continue;
    const auto [maker, float_tensor] = find(copy.output);
    if (late[size_t(float_tensor)]) late_copies.push_back(c);
    if (!is_float_step[maker]) continue;
    const int32_t int8_tensor = find(copy.copy).second;
    std::vector<bool> steps = steps_before(*plan, {int8_tensor});
    for (const size_t s : float_steps) steps[s] = false;
    probes.push_back({c, listed(steps), maker, float_tensor, int8_tensor});
  }
  std::ranges::sort(probes, std::greater(), &NoiseProbe::maker);
}

}  // namespace octile
