// annotate_minima(): what clamps, tables and movement say about the least value of a tensor.
#include <algorithm>

#include "plan/plan_data.h"

namespace octile {
namespace {

int32_t lowest(DataType type) { return type == DataType::kUInt8 ? 0 : -128; }

struct Minimum {
  const PlanData& plan;
  const PlanStep& step;

  int32_t of_output() const { return lowest(plan.tensors[size_t(step.outputs[0])].type); }
  int32_t of_inputs() const {
    int32_t least = 127;
    for (int32_t t : step.inputs) least = std::min(least, plan.tensors[size_t(t)].q_min);
    return least;
  }

  int32_t operator()(const ConvStep& s) const { return s.clamp.q_lo; }
  int32_t operator()(const EltwiseStep& s) const { return s.clamp.q_lo; }
  int32_t operator()(const MatMulStep& s) const { return s.clamp.q_lo; }
  int32_t operator()(const QuantizeStep& s) const { return s.q_lo; }
  int32_t operator()(const PoolStep& s) const {
    return s.kind == PoolingKind::kMax ? of_inputs() : of_output();
  }
  int32_t operator()(const ConcatStep&) const { return of_inputs(); }
  int32_t operator()(const ReorderStep&) const { return of_inputs(); }
  int32_t operator()(const ViewStep&) const { return of_inputs(); }
  int32_t operator()(const LookupStep& s) const {
    if (plan.tensors[size_t(step.outputs[0])].type == DataType::kUInt8) return 0;
    const auto* table = plan.blobs[size_t(s.table)].as<int8_t>();
    return *std::min_element(table, table + 256);
  }
  template <typename Other>
  int32_t operator()(const Other&) const {
    return of_output();
  }
};

}  // namespace

void annotate_minima(PlanData& plan) {
  for (PlanTensor& t : plan.tensors) t.q_min = lowest(t.type);
  for (const PlanStep& step : plan.steps) {
    PlanTensor& out = plan.tensors[size_t(step.outputs[0])];
    if (!is_8bit(out)) continue;
    out.q_min = std::max(lowest(out.type), std::visit(Minimum{plan, step}, step.step));
  }
}

}  // namespace octile
