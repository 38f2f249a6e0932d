// ExecutionContext: binding memory and running steps. run() neither allocates nor decides.
#include <chrono>

#include "base/error.h"
#include "base/parallel_for.h"
#include "runtime/context_impl.h"

namespace octile {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

ExecutionContext::Impl::Impl(const Engine::Impl& engine_in, int profile_in)
    : engine(engine_in), profile(profile_in),
      plan_profile(engine.data.profiles[size_t(profile_in)]),
      arena(DataType::kUInt8, Shape{plan_profile.arena_bytes}),
      workspace(DataType::kUInt8,
                Shape{int64_t(engine.profiles[size_t(profile_in)].workspace_bytes)}) {
  const PlanData& plan = engine.data;
  input_shapes.resize(plan.inputs.size());
  input_known.assign(plan.inputs.size(), false);
  bound_inputs.assign(plan.inputs.size(), nullptr);
  bound_outputs.assign(plan.outputs.size(), nullptr);
  owned_inputs.resize(plan.inputs.size());
  owned_outputs.resize(plan.outputs.size());
  pointers.assign(plan.tensors.size(), nullptr);
  for (const PlanStep& step : plan.steps) {
    input_begin.push_back(step_inputs.size());
    output_begin.push_back(step_outputs.size());
    step_inputs.resize(step_inputs.size() + step.inputs.size());
    step_outputs.resize(step_outputs.size() + step.outputs.size());
  }
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const PlanProfile::Bounds& b = plan_profile.inputs[i];
    if (b.min != b.max) continue;
    input_shapes[i] = b.opt;
    input_known[i] = true;
  }
  activate();
}

void ExecutionContext::Impl::set_shape(int input, const Shape& shape) {
  const auto i = size_t(input);
  const PlanProfile::Bounds& b = plan_profile.inputs[i];
  const std::string& name = engine.data.tensors[size_t(engine.data.inputs[i])].name;
  bool inside = shape.rank() == b.min.rank();
  for (int axis = 0; inside && axis < shape.rank(); ++axis) {
    inside = b.min[axis] <= shape[axis] && shape[axis] <= b.max[axis];
  }
  check(inside, ErrorCode::kInvalidArgument,
        "input '{}': shape {} is outside profile {}, which goes from {} to {}; use another profile "
        "or build one that holds it", name, shape.to_string(), profile, b.min.to_string(),
        b.max.to_string());
  if (input_known[i] && input_shapes[i] == shape) return;
  input_shapes[i] = shape;
  input_known[i] = true;
  activate();
}

void ExecutionContext::Impl::activate() {
  current = nullptr;
  pointers_valid = false;
  for (const bool known : input_known) {
    if (!known) return;
  }
  std::vector<std::vector<int64_t>> key;
  for (const Shape& shape : input_shapes) key.push_back(shape.to_vector());
  auto found = prepared.find(key);
  if (found == prepared.end()) {
    const PlanData& plan = engine.data;
    const Engine::Impl::ProfileState& state = engine.profiles[size_t(profile)];
    const ThreadCountScope threads(engine.device.threads);
    Prepared made;
    made.shapes = infer_all_shapes(plan, input_shapes);
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      const StepView view = make_view(plan, plan.steps[s], made.shapes);
      made.steps.push_back(state.tactics[s]->prepare(view, state.packed[s], engine.device));
    }
    found = prepared.emplace(std::move(key), std::move(made)).first;
  }
  current = &found->second;
  for (size_t o = 0; o < owned_outputs.size(); ++o) {
    const auto t = size_t(engine.data.outputs[o]);
    if (bound_outputs[o] != nullptr) continue;
    owned_outputs[o] = Tensor(engine.data.tensors[t].type, current->shapes[t]);
  }
}

/// Inputs, outputs and constants lie where their owners say, the rest in the arena. A view of
/// memory that is not ours reads it in place.
void ExecutionContext::Impl::resolve_pointers() {
  const PlanData& plan = engine.data;
  std::vector<bool> foreign(plan.tensors.size(), false);
  for (size_t t = 0; t < plan.tensors.size(); ++t) {
    const int32_t blob = plan.tensors[t].blob;
    const int64_t offset = plan_profile.offsets[t];
    foreign[t] = blob >= 0;
    pointers[t] = blob >= 0 ? const_cast<std::byte*>(plan.blobs[size_t(blob)].bytes.data())
                  : offset >= 0 ? static_cast<void*>(arena.as<std::byte>() + offset) : nullptr;
  }
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    pointers[size_t(plan.inputs[i])] = const_cast<void*>(bound_inputs[i]);
    foreign[size_t(plan.inputs[i])] = true;
  }
  std::vector<bool> output(plan.tensors.size(), false);
  for (size_t o = 0; o < plan.outputs.size(); ++o) {
    const auto t = size_t(plan.outputs[o]);
    output[t] = true;
    pointers[t] = bound_outputs[o] != nullptr ? bound_outputs[o] : owned_outputs[o].data();
  }
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const PlanStep& step = plan.steps[s];
    if (std::holds_alternative<ViewStep>(step.step)) {
      const auto from = size_t(step.inputs[0]), to = size_t(step.outputs[0]);
      if (foreign[from] && !output[to]) {
        pointers[to] = pointers[from];
        foreign[to] = true;
      }
    }
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      step_inputs[input_begin[s] + i] = pointers[size_t(step.inputs[i])];
    }
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      step_outputs[output_begin[s] + i] = pointers[size_t(step.outputs[i])];
    }
  }
  pointers_valid = true;
}

void ExecutionContext::Impl::require_ready() const {
  const PlanData& plan = engine.data;
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const std::string& name = plan.tensors[size_t(plan.inputs[i])].name;
    check(input_known[i], ErrorCode::kInvalidArgument,
          "input '{}' has no shape yet; call set_input_shape first", name);
    check(bound_inputs[i] != nullptr, ErrorCode::kInvalidArgument,
          "input '{}' has no data; call bind_input or set_input first", name);
  }
}

void ExecutionContext::Impl::run() {
  require_ready();
  if (!pointers_valid) resolve_pointers();
  const ThreadCountScope threads(engine.device.threads);
  void* const scratch = workspace.data();
  for (size_t s = 0; s < current->steps.size(); ++s) {
    const Buffers buffers{step_inputs.data() + input_begin[s],
                          step_outputs.data() + output_begin[s], scratch};
    if (!profiler) {
      current->steps[s]->run(buffers);
      continue;
    }
    const Clock::time_point start = Clock::now();
    current->steps[s]->run(buffers);
    profiler(int(s),
             std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
  }
}

ExecutionContext Engine::create_context(int profile) const {
  impl_->check_profile(profile);
  return ExecutionContext(std::make_unique<ExecutionContext::Impl>(*impl_, profile));
}

ExecutionContext::ExecutionContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ExecutionContext::ExecutionContext(ExecutionContext&&) noexcept = default;
ExecutionContext& ExecutionContext::operator=(ExecutionContext&&) noexcept = default;
ExecutionContext::~ExecutionContext() = default;

int ExecutionContext::profile() const { return impl_->profile; }

void ExecutionContext::set_input_shape(const std::string& input, const Shape& shape) {
  static_cast<void>(impl_->engine.bounds(input, impl_->profile));
  impl_->set_shape(impl_->engine.input_index(input), shape);
}

Shape ExecutionContext::shape(const std::string& binding) const {
  const PlanData& plan = impl_->engine.data;
  const int input = impl_->engine.input_index(binding);
  if (input >= 0) {
    return impl_->input_known[size_t(input)] ? impl_->input_shapes[size_t(input)]
                                             : plan.tensors[size_t(plan.inputs[size_t(input)])].shape;
  }
  const int output = impl_->engine.output_index(binding);
  check(output >= 0, ErrorCode::kInvalidArgument, "engine '{}' has no input or output '{}'",
        plan.name, binding);
  check(impl_->current != nullptr, ErrorCode::kInvalidArgument,
        "the shape of output '{}' is not known until every input's shape is set", binding);
  return impl_->current->shapes[size_t(plan.outputs[size_t(output)])];
}

void ExecutionContext::bind_input(const std::string& name, const void* data) {
  const int index = impl_->engine.input_index(name);
  check(index >= 0, ErrorCode::kInvalidArgument, "engine '{}' has no input '{}'",
        impl_->engine.data.name, name);
  check(data != nullptr, ErrorCode::kInvalidArgument, "input '{}': the address is null", name);
  impl_->bound_inputs[size_t(index)] = data;
  impl_->pointers_valid = false;
}

void ExecutionContext::bind_output(const std::string& name, void* data) {
  const int index = impl_->engine.output_index(name);
  check(index >= 0, ErrorCode::kInvalidArgument, "engine '{}' has no output '{}'",
        impl_->engine.data.name, name);
  check(data != nullptr, ErrorCode::kInvalidArgument, "output '{}': the address is null", name);
  impl_->bound_outputs[size_t(index)] = data;
  impl_->pointers_valid = false;
}

void ExecutionContext::set_input(const std::string& name, const Tensor& value) {
  static_cast<void>(impl_->engine.bounds(name, impl_->profile));
  const auto index = size_t(impl_->engine.input_index(name));
  const PlanTensor& tensor = impl_->engine.data.tensors[size_t(impl_->engine.data.inputs[index])];
  check(value.type() == tensor.type, ErrorCode::kInvalidArgument,
        "input '{}' needs {} values, not {}", name, name_of(tensor.type), name_of(value.type()));
  impl_->set_shape(int(index), value.shape());
  impl_->owned_inputs[index] = value;
  bind_input(name, impl_->owned_inputs[index].data());
}

Tensor ExecutionContext::output(const std::string& name) const {
  const Shape out_shape = shape(name);
  const int index = impl_->engine.output_index(name);
  check(index >= 0, ErrorCode::kInvalidArgument, "engine '{}' has no output '{}'",
        impl_->engine.data.name, name);
  const auto t = size_t(impl_->engine.data.outputs[size_t(index)]);
  const void* data = impl_->bound_outputs[size_t(index)] != nullptr
                         ? impl_->bound_outputs[size_t(index)]
                         : impl_->owned_outputs[size_t(index)].data();
  Tensor copy(impl_->engine.data.tensors[t].type, out_shape);
  std::memcpy(copy.data(), data, copy.bytes());
  return copy;
}

void ExecutionContext::run() { impl_->run(); }

std::vector<Tensor> ExecutionContext::run(const std::vector<Tensor>& inputs) {
  const PlanData& plan = impl_->engine.data;
  check(inputs.size() == plan.inputs.size(), ErrorCode::kInvalidArgument,
        "engine '{}' takes {} inputs, not {}", plan.name, plan.inputs.size(), inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    set_input(plan.tensors[size_t(plan.inputs[i])].name, inputs[i]);
  }
  impl_->run();
  std::vector<Tensor> outputs;
  for (int32_t t : plan.outputs) outputs.push_back(output(plan.tensors[size_t(t)].name));
  return outputs;
}

void ExecutionContext::set_profiler(std::function<void(int, int64_t)> profiler) {
  impl_->profiler = std::move(profiler);
}

}  // namespace octile
