// See keep_tensors.h; plan_memory_without_reuse() stands in plan_memory.cc.
#include "plan/keep_tensors.h"

#include <numeric>

namespace octile {
namespace {

/// Steps that work element by element and leave the bytes' order as it is.
bool keeps_order(const Step& step) {
  return std::holds_alternative<QuantizeStep>(step) ||
         std::holds_alternative<DequantizeStep>(step) || std::holds_alternative<LookupStep>(step) ||
         std::holds_alternative<ActivationStep>(step);
}

/// A view of an image whose channels go to the end says so in its shape.
bool transposes(const ViewStep& view) {
  const auto* shuffle = std::get_if<Shuffle>(&view.op);
  return shuffle != nullptr && !shuffle->first.empty();
}

}  // namespace

std::vector<int32_t> byte_orders(const PlanData& plan) {
  std::vector<int32_t> order(plan.tensors.size());
  std::iota(order.begin(), order.end(), 0);
  for (const PlanStep& step : plan.steps) {
    if (step.inputs.empty() || step.outputs.empty()) continue;
    const auto from = size_t(step.inputs[0]), to = size_t(step.outputs[0]);
    if (plan.tensors[to].layout != Layout::kPlain) continue;
    const auto* view = std::get_if<ViewStep>(&step.step);
    if (view != nullptr && transposes(*view)) continue;
    const bool permuted = order[from] != int32_t(from);
    const bool flattens = view != nullptr && plan.tensors[from].layout == Layout::kChannelsLast;
    if (flattens || (permuted && (view != nullptr || keeps_order(step.step)))) {
      order[to] = order[from];
    }
  }
  return order;
}

std::shared_ptr<const PlanData> keeping_tensors(const PlanData& plan, size_t profile,
                                                const std::vector<Shape>& shapes) {
  auto copy = std::make_shared<PlanData>(plan);
  PlanProfile only;
  for (const Shape& shape : shapes) only.inputs.push_back({shape, shape, shape});
  plan_memory_without_reuse(*copy, only);
  copy->profiles = {std::move(only)};
  for (PlanStep& step : copy->steps) step.tactics = {step.tactics[profile]};
  return copy;
}

}  // namespace octile
