// See built_labels.h.
#include "tune/built_labels.h"

#include <algorithm>
#include <map>

namespace octile {

std::vector<Label> built_labels(const LabelledGraph& graph, const Candidate& candidate) {
  std::map<std::string, bool> in_int8;  // by step name
  const PlanData& plan = *candidate.plan;
  for (const PlanStep& step : plan.steps) {
    if (step.inputs.empty() || std::holds_alternative<ReorderStep>(step.step) ||
        std::holds_alternative<ViewStep>(step.step)) {
      continue;
    }
    in_int8[step.name] |= is_8bit(plan.tensors[size_t(step.inputs[0])]);
  }
  std::vector<Label> labels = candidate.labels;
  for (size_t g = 0; g < labels.size(); ++g) {
    const bool converts =
        std::holds_alternative<Quantize>(graph.network.op(graph.groups[g].core)) ||
        std::holds_alternative<Dequantize>(graph.network.op(graph.groups[g].core));
    const auto found = in_int8.find(name_of(graph.network, graph.groups[g]));
    if (converts || found == in_int8.end()) continue;
    if (found->second) labels[g] = Label::kInt8;
    if (!found->second && labels[g] == Label::kInt8) labels[g] = Label::kFloat;
  }
  return labels;
}

std::ptrdiff_t int8_count(const std::vector<Label>& labels) {
  return std::count(labels.begin(), labels.end(), Label::kInt8);
}

}  // namespace octile
