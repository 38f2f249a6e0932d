// Running an engine from Python: inputs are read and outputs written in NumPy's memory.
#include "context.h"

#include <nanobind/stl/string.h>

#include "base/error.h"

namespace octile::python {

// Python threads may share a context by mistake; C++ would race where the GIL is released.
class Context::Use {
 public:
  explicit Use(Context& context) : flag_(context.in_use_) {
    check(!flag_.exchange(true), ErrorCode::kInvalidArgument,
          "this context is in use by another thread or by its own profiler: create one context a "
          "thread");
  }
  ~Use() { flag_ = false; }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  std::atomic<bool>& flag_;
};

namespace {
// An array without elements may have no memory, and a null address is refused.
const void* address_of(const TensorView& view) {
  static const char nothing = 0;
  return view.data != nullptr ? view.data : &nothing;
}

std::string describe(nb::handle object) {
  const nb::object dtype = nb::getattr(object, "dtype", nb::none());
  if (dtype.is_none()) return nb::type_name(object.type()).c_str();
  return std::string("an array of ") + nb::str(dtype).c_str();
}
}  // namespace

Context::Context(std::shared_ptr<LoadedEngine> engine, int profile)
    : engine_(std::move(engine)),
      context_(engine_->calls->run([&] { return engine_->engine.create_context(profile); })) {
  for (const Binding& binding : engine_->engine.bindings()) {
    slots_.emplace_back();
    slots_.back().binding = &binding;
    if (binding.is_input) ++input_count_;
  }
}

Context::Slot& Context::slot(const std::string& name, bool input) {
  for (Slot& slot : slots_) {
    if (slot.binding->name == name && slot.binding->is_input == input) return slot;
  }
  std::string known;
  for (const Slot& slot : slots_) {
    if (slot.binding->is_input != input) continue;
    known += (known.empty() ? "'" : ", '") + slot.binding->name + "'";
  }
  fail(ErrorCode::kInvalidArgument, "engine '{}' has no {} '{}', but {}",
       engine_->engine.plan().name(), input ? "input" : "output", name, known);
}

void Context::set_input_shape(const std::string& name, const Shape& shape) {
  const Use use(*this);
  calls_.run([&] { context_.set_input_shape(name, shape); });
}

Shape Context::shape(const std::string& name) {
  const Use use(*this);
  return calls_.run([&] { return context_.shape(name); });
}

void Context::bind_input(const std::string& name, nb::handle memory) {
  const Use use(*this);
  Slot& s = slot(name, true);
  if (PyLong_Check(memory.ptr())) {
    s.address = nb::cast<uintptr_t>(memory);
    context_.bind_input(name, reinterpret_cast<const void*>(s.address));
    s.memory = nb::none();
    s.capacity = 0;
  } else {
    std::optional<ArrayView> view = borrow_view(memory, s.binding->type);
    check(view.has_value(), ErrorCode::kInvalidArgument,
          "input '{}': to be bound it must be a dense array of {} or an address, not {}; "
          "set_input() takes any array",
          name, name_of(s.binding->type), describe(memory));
    context_.set_input_shape(name, view->view.shape);
    context_.bind_input(name, address_of(view->view));
    s.memory = view->owner;
    s.capacity = std::max<size_t>(view->view.bytes(), 1);
  }
  s.bound = true;
  s.scratch.reset();
}

void Context::bind_output(const std::string& name, nb::handle memory) {
  const Use use(*this);
  Slot& s = slot(name, false);
  if (PyLong_Check(memory.ptr())) {
    s.address = nb::cast<uintptr_t>(memory);
    context_.bind_output(name, reinterpret_cast<void*>(s.address));
    s.memory = nb::none();
    s.capacity = 0;
  } else {
    std::optional<ArrayView> view = borrow_view(memory, s.binding->type, true);
    check(view.has_value(), ErrorCode::kInvalidArgument,
          "output '{}': to be bound it must be a dense, writable array of {} or an address, not {}",
          name, name_of(s.binding->type), describe(memory));
    context_.bind_output(name, const_cast<void*>(address_of(view->view)));
    s.memory = nb::make_tuple(nb::borrow(memory), view->owner);
    s.capacity = std::max<size_t>(view->view.bytes(), 1);
  }
  s.bound = true;
  s.scratch.reset();
}

void Context::set_input(const std::string& name, nb::handle array) {
  const Use use(*this);
  Slot& s = slot(name, true);
  const Tensor value = to_tensor(array, s.binding->type, "input '" + name + "'");
  calls_.run([&] { context_.set_input(name, value); });
  s.memory.reset();
  s.scratch.reset();
  s.bound = false;
}

nb::object Context::output(const std::string& name) {
  const Use use(*this);
  return to_array(context_.output(name));
}

void Context::feed(Slot& s, nb::handle array) {
  const std::string& name = s.binding->name;
  std::optional<ArrayView> view = borrow_view(array, s.binding->type);
  if (!view) view = to_view(array, s.binding->type, "input '" + name + "'");
  if (context_.shape(name) != view->view.shape) context_.set_input_shape(name, view->view.shape);
  context_.bind_input(name, address_of(view->view));
  s.scratch = std::move(view->owner);
  s.memory.reset();
  s.bound = false;
}

void Context::feed_all(nb::handle inputs) {
  if (PyDict_Check(inputs.ptr())) {
    for (const auto& [name, array] : nb::borrow<nb::dict>(inputs)) {
      if (!PyUnicode_Check(name.ptr())) throw nb::type_error("names of inputs must be strings");
      feed(slot(nb::cast<std::string>(name), true), array);
    }
    return;
  }
  if (PyList_Check(inputs.ptr()) || PyTuple_Check(inputs.ptr())) {
    const auto given = nb::borrow<nb::sequence>(inputs);
    check(nb::len(given) == input_count_, ErrorCode::kInvalidArgument,
          "engine '{}' takes {} inputs, not {}", engine_->engine.plan().name(), input_count_,
          nb::len(given));
    for (size_t i = 0; i < input_count_; ++i) feed(slots_[i], nb::object(given[i]));
    return;
  }
  check(input_count_ == 1, ErrorCode::kInvalidArgument,
        "engine '{}' takes {} inputs: pass a list of arrays in their order, or a dict",
        engine_->engine.plan().name(), input_count_);
  feed(slots_[0], inputs);
}

// Results that were handed out are never written again: each run gets arrays of its own.
void Context::provide_output(Slot& s, bool fresh) {
  if (s.bound || s.binding->from_values || (!fresh && !s.scratch.is_valid())) return;
  void* data = nullptr;
  nb::object array = new_array(s.binding->type, context_.shape(s.binding->name), &data);
  context_.bind_output(s.binding->name, data);
  s.scratch = std::move(array);
}

void Context::check_capacity(const Slot& s) {
  if (s.capacity == 0 || !s.bound) return;
  const Shape shape = context_.shape(s.binding->name);
  const size_t needed = TensorView{s.binding->type, shape, nullptr}.bytes();
  check(needed <= s.capacity, ErrorCode::kInvalidArgument,
        "'{}' has shape {} now, which needs {} bytes, but the array bound to it has {}",
        s.binding->name, shape.to_string(), needed, s.capacity);
}

std::vector<DeviceMemory::Use> Context::addressed() {
  std::vector<DeviceMemory::Use> held;
  if (engine_->engine.device() != "cpu") return held;  // addresses may be a GPU's own
  for (const Slot& s : slots_) {
    if (!s.bound || s.capacity != 0) continue;
    const Binding& b = *s.binding;
    const size_t bytes = TensorView{b.type, context_.shape(b.name), nullptr}.bytes();
    held.push_back(DeviceMemory::get().use(
        s.address, bytes, (b.is_input ? "input '" : "output '") + b.name + "'", !b.is_input));
  }
  return held;
}

nb::dict Context::results() {
  nb::dict outputs;
  for (size_t i = input_count_; i < slots_.size(); ++i) {
    const Slot& s = slots_[i];
    const char* name = s.binding->name.c_str();
    if (s.binding->from_values) {
      outputs[name] = to_array(context_.output(s.binding->name));
    } else if (!s.bound) {
      outputs[name] = s.scratch;
    } else if (s.capacity != 0) {
      outputs[name] = s.memory[0];
    }
  }
  return outputs;
}

nb::object Context::run(nb::handle inputs) {
  const Use use(*this);
  const bool fresh = !inputs.is_none();
  if (fresh) feed_all(inputs);
  for (size_t i = input_count_; i < slots_.size(); ++i) provide_output(slots_[i], fresh);
  for (const Slot& s : slots_) check_capacity(s);
  const std::vector<DeviceMemory::Use> held = addressed();
  calls_.run([&] {
    for (const DeviceMemory::Use& memory : held) memory.touch();
    context_.run();
  });
  return fresh ? nb::object(results()) : nb::none();
}

void Context::run_on(uintptr_t stream) {
  const Use use(*this);
  for (const Slot& s : slots_) check_capacity(s);
  calls_.run([&] { context_.run(DeviceStream(reinterpret_cast<void*>(stream))); });
}

void Context::wait() {
  const Use use(*this);
  calls_.run([&] { context_.wait(); });
}

void Context::set_profiler(nb::object profiler) {
  const Use use(*this);
  if (profiler.is_none()) {
    context_.set_profiler(nullptr);
  } else {
    if (PyCallable_Check(profiler.ptr()) == 0) {
      throw nb::type_error("a profiler must be callable(step, nanoseconds) or None");
    }
    context_.set_profiler([this](int step, int64_t nanoseconds) {
      calls_.python([&] { profiler_(step, nanoseconds); });
    });
  }
  profiler_ = std::move(profiler);
}

int Context::traverse(visitproc visit, void* arg) const {
  Py_VISIT(profiler_.ptr());
  for (const Slot& s : slots_) {
    Py_VISIT(s.memory.ptr());
    Py_VISIT(s.scratch.ptr());
  }
  return 0;
}

void Context::clear() {
  profiler_.reset();
  for (Slot& s : slots_) {
    s.memory.reset();
    s.scratch.reset();
  }
}

}  // namespace octile::python
