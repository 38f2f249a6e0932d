// See sink_quantize.h.
#include "compile/sink_quantize.h"

#include <algorithm>

#include "plan/single_reads.h"

namespace octile {
namespace {

class Sinker {
 public:
  explicit Sinker(PlanData& plan) : plan_(plan), reads_(plan) {}

  void run() {
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      const auto* conv = std::get_if<ConvStep>(&plan_.steps[s].step);
      if (conv == nullptr || conv->dynamic) continue;
      const std::vector<size_t> steps = way_to(plan_.steps[s].inputs[0]);
      if (steps.size() > 1) sink(steps);
    }
  }

 private:
  const PlanTensor& tensor(int32_t t) const { return plan_.tensors[size_t(t)]; }

  /// The Quantize step and the views behind it that make `t`; empty where that is not so.
  std::vector<size_t> way_to(int32_t t) const {
    std::vector<size_t> steps;  // last first
    const PlanTensor& read = tensor(t);
    for (;; t = plan_.steps[steps.back()].inputs[0]) {
      const PlanTensor& bytes = tensor(t);
      const int32_t maker = reads_.maker(t);
      if (maker < 0 || !is_8bit(bytes) || bytes.scale != read.scale ||
          bytes.zero_point != read.zero_point) {
        return {};
      }
      steps.push_back(size_t(maker));
      const PlanStep& step = plan_.steps[size_t(maker)];
      if (std::holds_alternative<ViewStep>(step.step)) continue;
      const auto* quantize = std::get_if<QuantizeStep>(&step.step);
      if (quantize == nullptr || quantize->dynamic) return {};
      const PlanTensor& x = tensor(step.inputs[0]);
      if (!is_float(x) || x.blob >= 0 || x.layout != bytes.layout) return {};
      std::reverse(steps.begin(), steps.end());
      return steps;
    }
  }

  /// Quantize, view, … → view, …, Quantize, in the same places; bytes that nobody makes any longer
  /// give their tensors to the floats.
  void sink(const std::vector<size_t>& steps) {
    PlanStep quantize = plan_.steps[steps[0]];
    for (size_t i = 1; i < steps.size(); ++i) {
      PlanStep view = plan_.steps[steps[i]];
      const int32_t freed = view.inputs[0], bytes = view.outputs[0];
      PlanTensor& floats = plan_.tensors[size_t(freed)];
      const PlanTensor& shown = tensor(bytes);
      floats = {.name = shown.name, .layout = shown.layout, .shape = shown.shape};
      view.inputs[0] = quantize.inputs[0];
      view.outputs[0] = quantize.inputs[0] = freed;
      quantize.outputs[0] = bytes;
      plan_.steps[steps[i - 1]] = std::move(view);
    }
    plan_.steps[steps.back()] = std::move(quantize);
  }

  PlanData& plan_;
  const SingleReads reads_;  // of the plan as it was: no two ways share a step
};

}  // namespace

void sink_quantize(PlanData& plan) { Sinker(plan).run(); }

}  // namespace octile
