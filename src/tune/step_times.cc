// See step_times.h. Start reading at times_of_group().
#include "tune/step_times.h"

#include <algorithm>

#include "plan/quantize_chains.h"

namespace octile {
namespace {

Timing timing_in(const Variant& engine, const std::string& name) {
  const auto found = engine.steps.find(name);
  return found == engine.steps.end() ? Timing{} : found->second;
}

/// Whether the group's last step writes float32 although it computes in int8.
bool writes_float(const PlanData& plan, const std::string& name) {
  for (size_t s = plan.steps.size(); s-- > 0;) {
    const PlanStep& step = plan.steps[s];
    if (step.name != name || step.outputs.empty()) continue;
    return is_real(plan.tensors[size_t(step.outputs[0])].type);
  }
  return false;
}

/// An addition or a pooling that writes float computes in float, from operands that it dequantizes,
/// and a convolution adds its residual in float; those steps bear the tensors' names.
double operands_made_float(const StepTimings& steps, const LabelledGraph& graph, size_t g) {
  const Group& group = graph.groups[g];
  const Int8Kind kind = int8_kind(graph.network, group);
  std::vector<TensorId> operands;
  if (kind == Int8Kind::kArithmetic || kind == Int8Kind::kMovement) {
    operands = operands_of(graph.network, group);
  } else if (kind == Int8Kind::kWeighted && group.add.valid()) {
    operands = {group.residual};
  }
  double ns = 0.0;
  for (TensorId t : operands) {
    const auto found = steps.find(graph.network.name(t) + ".dequantize");
    if (found != steps.end()) ns += found->second.ns;
  }
  return ns;
}

}  // namespace

StepTimings by_name(const PlanData& plan, const std::vector<Timing>& timings) {
  StepTimings sums;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    Timing& sum = sums[plan.steps[s].name];
    const double before = sum.ns * sum.spread, here = timings[s].ns * timings[s].spread;
    sum.ns += timings[s].ns;
    sum.spread = sum.ns > 0.0 ? (before + here) / sum.ns : 0.0;
  }
  return sums;
}

StepNames quantizing_readers(const PlanData& plan, const std::vector<bool>& absorbed) {
  StepNames names;
  for (const QuantizeChain& chain : quantize_chains(plan)) {
    if (absorbed[chain.absorbed[0]]) names.insert(plan.steps[chain.reader].name);
  }
  return names;
}

GroupTimes times_of_group(const std::vector<Variant>& variants, const LabelledGraph& graph,
                          size_t g, double quantize_ns) {
  const std::string name = name_of(graph.network, graph.groups[g]);
  GroupTimes times;
  times.float32 = timing_in(variants[0], name).ns;
  times.spread = timing_in(variants[0], name).spread;
  if (variants.back().name == "half") times.half = timing_in(variants.back(), name).ns;
  if (!graph.labels[g].can_int8) return times;
  const auto in_int8 = [&](const Variant& v) { return v.labels[g] == Precision::kInt8; };
  const auto quantizes = [&](const Variant& v) { return v.quantizing.contains(name); };
  times.quantizes_input =
      std::ranges::all_of(variants, [&](const Variant& v) { return !in_int8(v) || quantizes(v); });
  std::optional<double> to_int8;
  for (const Variant& v : variants) {
    if (!in_int8(v)) continue;
    const TimeInside inside =
        time_inside(v, graph, g, Label::kInt8, times.quantizes_input ? 0.0 : quantize_ns);
    auto& slot = inside.writes_float ? times.int8_to_float : to_int8;
    if (slot && *slot <= inside.ns) continue;
    slot = inside.ns;
    times.spread = timing_in(v, name).spread;
  }
  times.int8 = to_int8 ? to_int8 : times.int8_to_float;
  return times;
}

TimeInside time_inside(const Variant& engine, const LabelledGraph& graph, size_t g, Label label,
                       double absorbed_ns) {
  const std::string name = name_of(graph.network, graph.groups[g]);
  TimeInside inside{timing_in(engine, name).ns, writes_float(*engine.plan, name)};
  if (label == Label::kInt8 && inside.writes_float) {
    inside.ns += operands_made_float(engine.steps, graph, g);
  }
  if (engine.quantizing.contains(name)) inside.ns = std::max(0.0, inside.ns - absorbed_ns);
  return inside;
}

}  // namespace octile
