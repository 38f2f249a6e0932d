// ExecutionContext: the public face; context_impl.cc prepares and runs.
#include "base/error.h"
#include "runtime/context_impl.h"

namespace octile {

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
  impl_->set_shape(size_t(impl_->engine.input_index(input)), shape);
}

Shape ExecutionContext::shape(const std::string& binding) const {
  const PlanData& plan = impl_->engine.data;
  const int input = impl_->engine.input_index(binding);
  if (input >= 0) {
    return impl_->input_known[size_t(input)]
               ? impl_->input_shapes[size_t(input)]
               : plan.tensors[size_t(plan.inputs[size_t(input)])].shape;
  }
  const int output = impl_->engine.output_index(binding);
  check(output >= 0, ErrorCode::kInvalidArgument, "engine '{}' has no input or output '{}'",
        plan.name, binding);
  if (impl_->current == nullptr) impl_->activate();  // says why the shapes do not fit
  check(impl_->current != nullptr, ErrorCode::kInvalidArgument,
        "the shape of output '{}' is not known until every input's shape is set; call "
        "set_input_shape",
        binding);
  return impl_->shape_of(size_t(plan.outputs[size_t(output)]));
}

void ExecutionContext::bind_input(const std::string& name, const void* data) {
  const int index = impl_->engine.input_index(name);
  check(index >= 0, ErrorCode::kInvalidArgument, "engine '{}' has no input '{}'",
        impl_->engine.data.name, name);
  check(data != nullptr, ErrorCode::kInvalidArgument, "input '{}': the address is null", name);
  if (impl_->gpu != nullptr) impl_->bind_input_on_device(size_t(index), data);
  impl_->bound_inputs[size_t(index)] = data;
  impl_->pointers_valid = false;
}

void ExecutionContext::bind_output(const std::string& name, void* data) {
  const int index = impl_->engine.output_index(name);
  check(index >= 0, ErrorCode::kInvalidArgument, "engine '{}' has no output '{}'",
        impl_->engine.data.name, name);
  check(data != nullptr, ErrorCode::kInvalidArgument, "output '{}': the address is null", name);
  check(!impl_->engine.late[size_t(impl_->engine.data.outputs[size_t(index)])],
        ErrorCode::kInvalidArgument,
        "output '{}' cannot be bound: its shape depends on values and is known after run() only; "
        "read it by output()",
        name);
  impl_->bound_outputs[size_t(index)] = data;
  impl_->pointers_valid = false;
  if (impl_->gpu == nullptr) return;
  impl_->bind_output_on_device(size_t(index), data);
  impl_->provide_outputs_on_device();
}

void ExecutionContext::set_input(const std::string& name, const Tensor& value) {
  static_cast<void>(impl_->engine.bounds(name, impl_->profile));
  const auto index = size_t(impl_->engine.input_index(name));
  impl_->require_type(index, value);
  impl_->set_shape(index, value.shape());
  impl_->set_data(index, value);
}

Tensor ExecutionContext::output(const std::string& name) const {
  const Shape out_shape = shape(name);
  const int index = impl_->engine.output_index(name);
  check(index >= 0, ErrorCode::kInvalidArgument, "engine '{}' has no output '{}'",
        impl_->engine.data.name, name);
  const auto t = size_t(impl_->engine.data.outputs[size_t(index)]);
  const bool late = impl_->engine.late[t];
  check(!late || impl_->ran, ErrorCode::kInvalidArgument,
        "output '{}' has no value before run(), nor after one that failed", name);
  Tensor copy(impl_->engine.data.tensors[t].type, out_shape);
  if (impl_->gpu != nullptr && !late) {
    impl_->read_output(size_t(index), copy);
    return copy;
  }
  const void* data = late ? impl_->late_values[t].data()
                     : impl_->bound_outputs[size_t(index)] != nullptr
                         ? impl_->bound_outputs[size_t(index)]
                         : impl_->owned_outputs[size_t(index)].data();
  if (copy.bytes() > 0) std::memcpy(copy.data(), data, copy.bytes());
  return copy;
}

void ExecutionContext::run() { impl_->run(); }

void ExecutionContext::run(DeviceStream stream) {
  check(impl_->gpu != nullptr, ErrorCode::kInvalidArgument,
        "engine '{}' is on the CPU, which has no streams; call run() without one",
        impl_->engine.data.name);
  impl_->run_on_device(stream.handle);
}

void ExecutionContext::wait() {
  if (impl_->gpu != nullptr) impl_->wait_for_device();
}

std::vector<Tensor> ExecutionContext::run(const std::vector<Tensor>& inputs) {
  const PlanData& plan = impl_->engine.data;
  check(inputs.size() == plan.inputs.size(), ErrorCode::kInvalidArgument,
        "engine '{}' takes {} inputs, not {}", plan.name, plan.inputs.size(), inputs.size());
  impl_->set_shapes(inputs);
  for (size_t i = 0; i < inputs.size(); ++i) impl_->set_data(i, inputs[i]);
  impl_->run();
  std::vector<Tensor> outputs;
  for (int32_t t : plan.outputs) outputs.push_back(output(plan.tensors[size_t(t)].name));
  return outputs;
}

void ExecutionContext::set_profiler(std::function<void(int, int64_t)> profiler) {
  impl_->profiler = std::move(profiler);
}

}  // namespace octile
