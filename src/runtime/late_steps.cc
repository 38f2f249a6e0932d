// Late steps (plan_data.h): one by one, as they run, shapes are inferred from the values before
// them, memory is allocated and the step is prepared, unless it ran with these very shapes the last
// time.
#include "base/error.h"
#include "runtime/context_impl.h"
#include "runtime/nothing.h"

namespace octile {

/// Where a late step, which runs on the host, finds what it reads.
const void* ExecutionContext::Impl::on_host(size_t t) const {
  const int32_t blob = engine.data.tensors[t].blob;
  if (gpu == nullptr || engine.late[t]) return pointers[t];
  return blob >= 0 ? engine.data.blobs[size_t(blob)].bytes.data() : gpu->late_inputs[t].data();
}

/// Memory for the step's outputs, whose shapes follow from its inputs' shapes and values.
void ExecutionContext::Impl::make_late_outputs(size_t s) {
  const PlanData& plan = engine.data;
  const PlanStep& step = plan.steps[s];
  std::vector<Shape> shapes;
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    shapes.push_back(run_shapes[size_t(step.inputs[i])]);
    step_inputs[input_begin[s] + i] = on_host(size_t(step.inputs[i]));
  }
  const std::span<const void* const> data(step_inputs.data() + input_begin[s], step.inputs.size());
  const std::vector<Shape> made = infer_shapes(plan, step, shapes, data);
  for (size_t i = 0; i < made.size(); ++i) {
    const auto t = size_t(step.outputs[i]);
    const PlanTensor& tensor = plan.tensors[t];
    check(made[i].is_static() && made[i].rank() == tensor.shape.rank(), ErrorCode::kInternal,
          "step '{}' makes '{}' with shape {}, declared {}", step.name, tensor.name,
          made[i].to_string(), tensor.shape.to_string());
    run_shapes[t] = made[i];
    Tensor& value = late_values[t];
    if (value.data() == nullptr || value.shape() != made[i]) value = Tensor(tensor.type, made[i]);
    pointers[t] = value.data();
    step_outputs[output_begin[s] + i] = value.data();
  }
}

octile::Prepared& ExecutionContext::Impl::prepare_late(size_t s) {
  make_late_outputs(s);
  const StepView view = make_view(engine.data, engine.data.steps[s], run_shapes);
  std::vector<Shape> shapes;
  for (const auto* list : {&view.inputs, &view.outputs}) {
    for (const PlanTensor& t : *list) shapes.push_back(t.shape);
  }
  Late& kept = late[s];
  if (kept.prepared != nullptr && kept.shapes == shapes) return *kept.prepared;
  kept.prepared.reset();
  kept.shapes = std::move(shapes);
  if (makes_nothing(view)) {
    kept.prepared = std::make_unique<Nothing>();
    return *kept.prepared;
  }
  const Tactic& tactic = first_accepting(engine.host_backend, view, engine.host);
  const auto [weights, fresh] = kept.packed.try_emplace(&tactic, nullptr);
  if (fresh) weights->second = tactic.pack(view, engine.host);
  const size_t bytes = tactic.workspace_bytes(view, engine.host);
  Memory& scratch = gpu != nullptr ? late_workspace : workspace;
  if (bytes > scratch.bytes()) scratch = Memory(nullptr, bytes);
  kept.prepared = tactic.prepare(view, weights->second.get(), engine.host);
  return *kept.prepared;
}

}  // namespace octile
