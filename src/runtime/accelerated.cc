// Running on a GPU: the first run under new shapes and addresses goes step by step, the second one
// is recorded, later ones replay the graph. See accelerated.h.
#include "runtime/accelerated.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "base/error.h"
#include "base/parallel_for.h"
#include "runtime/context_impl.h"

namespace octile {
namespace {

/// OCTILE_GPU_STEPS=1 runs step by step always: a fault then names its step.
bool graphs_allowed() {
  static const bool allowed = [] {
    const char* value = std::getenv("OCTILE_GPU_STEPS");
    return value == nullptr || std::string_view(value) != "1";
  }();
  return allowed;
}

}  // namespace

GraphCache::Entry* GraphCache::find(const std::vector<void*>& addresses) {
  for (Entry& entry : entries_) {
    if (entry.addresses != addresses) continue;
    entry.last_used = ++uses_;
    return &entry;
  }
  return nullptr;
}

GraphCache::Entry& GraphCache::add(const std::vector<void*>& addresses) {
  if (entries_.size() >= kMost) {
    const auto oldest =
        std::min_element(entries_.begin(), entries_.end(),
                         [](const Entry& a, const Entry& b) { return a.last_used < b.last_used; });
    if (oldest->graph != nullptr) accelerator_.release_graph(oldest->graph);
    entries_.erase(oldest);
  }
  entries_.push_back({.addresses = addresses, .last_used = ++uses_});
  return entries_.back();
}

void GraphCache::clear() {
  for (const Entry& entry : entries_) {
    if (entry.graph != nullptr) accelerator_.release_graph(entry.graph);
  }
  entries_.clear();
}

Accelerated::Accelerated(const Accelerator& accelerator, size_t tensor_count, size_t input_count,
                         size_t output_count, size_t step_count)
    : device(accelerator),
      stream(accelerator),
      inputs(input_count),
      outputs(output_count),
      input_shapes(input_count),
      input_in_place(input_count, false),
      output_in_place(output_count, false),
      late_inputs(tensor_count),
      mirrors(tensor_count),
      addresses(input_count + output_count),
      progress(&accelerator, sizeof(int32_t), Memory::Kind::kPinned),
      begin(accelerator.make_event()),
      end(accelerator.make_event()),
      done(accelerator.make_event()) {
  std::vector<int32_t> numbers(step_count + 1);
  std::iota(numbers.begin(), numbers.end(), 1);
  marks = upload(&accelerator, std::as_bytes(std::span(numbers)));
}

Accelerated::~Accelerated() {
  if (is_pending) (void)device.wait_for(done);  // the arena is in use until then
  device.release_event(begin);
  device.release_event(end);
  device.release_event(done);
}

// --- memory ---

namespace {

void provide(Memory& memory, const Accelerator& device, size_t bytes) {
  if (memory.data() == nullptr) memory = Memory(&device, bytes);
}

/// What kernels read in 16-byte pieces.
bool usable_in_place(const Accelerator& device, const void* address) {
  constexpr uintptr_t kPiece = 16;
  return reinterpret_cast<uintptr_t>(address) % kPiece == 0 && device.is_device_memory(address);
}

}  // namespace

size_t ExecutionContext::Impl::bytes_at_max(size_t tensor) const {
  const Shape& shape = engine.profiles[size_t(profile)].max_shapes[tensor];
  return std::max<size_t>(1, size_t(shape.volume()) * size_of(engine.data.tensors[tensor].type));
}

void ExecutionContext::Impl::bind_input_on_device(size_t input, const void* data) {
  Accelerated& g = *gpu;
  g.input_in_place[input] = usable_in_place(g.device, data);
  if (g.input_in_place[input]) return;
  const auto tensor = size_t(engine.data.inputs[input]);
  provide(g.inputs[input], g.device, bytes_at_max(tensor));
}

void ExecutionContext::Impl::bind_output_on_device(size_t output, void* data) {
  Accelerated& g = *gpu;
  g.output_in_place[output] = usable_in_place(g.device, data);
}

void ExecutionContext::Impl::provide_outputs_on_device() {
  Accelerated& g = *gpu;
  for (size_t o = 0; o < g.outputs.size(); ++o) {
    const auto t = size_t(engine.data.outputs[o]);
    if (engine.late[t] || (bound_outputs[o] != nullptr && g.output_in_place[o])) continue;
    provide(g.outputs[o], g.device, bytes_at_max(t));
  }
}

/// Copied to the device at once: runs find it there.
void ExecutionContext::Impl::set_data_on_device(size_t input, const Tensor& value) {
  Accelerated& g = *gpu;
  wait_for_device();
  const auto tensor = size_t(engine.data.inputs[input]);
  provide(g.inputs[input], g.device, bytes_at_max(tensor));
  if (value.bytes() > 0) {
    g.device.copy(g.inputs[input].data(), value.data(), value.bytes(), g.stream.get());
    const std::string failure = g.device.wait(g.stream.get());
    check(failure.empty(), ErrorCode::kDevice, "{}: copying input '{}' failed: {}", g.device.id(),
          engine.data.tensors[tensor].name, failure);
  }
  g.input_in_place[input] = true;
  g.input_shapes[input] = value.shape();
  pointers_valid = pointers_valid && bound_inputs[input] == g.inputs[input].data();
  bound_inputs[input] = g.inputs[input].data();
}

void* ExecutionContext::Impl::device_input(size_t input) const {
  return gpu->input_in_place[input] ? const_cast<void*>(bound_inputs[input])
                                    : gpu->inputs[input].data();
}

void* ExecutionContext::Impl::device_output(size_t output) const {
  const bool in_place = bound_outputs[output] != nullptr && gpu->output_in_place[output];
  return in_place ? bound_outputs[output] : gpu->outputs[output].data();
}

void ExecutionContext::Impl::read_output(size_t output, Tensor& copy) const {
  Accelerated& g = *gpu;
  wait_for_device();
  if (copy.bytes() == 0) return;
  g.device.copy(copy.data(), device_output(output), copy.bytes(), g.stream.get());
  const std::string failure = g.device.wait(g.stream.get());
  check(failure.empty(), ErrorCode::kDevice, "{}: reading an output failed: {}", g.device.id(),
        failure);
}

const void* ExecutionContext::Impl::mirror(size_t tensor, size_t bytes) const {
  Accelerated& g = *gpu;
  if (bytes == 0 || pointers[tensor] == nullptr) return nullptr;
  if (engine.late[tensor]) return pointers[tensor];
  Memory& memory = g.mirrors[tensor];
  if (memory.bytes() < bytes) memory = Memory(&g.device, bytes, Memory::Kind::kPinned);
  g.device.copy(memory.data(), pointers[tensor], bytes, g.stream.get());
  const std::string failure = g.device.wait(g.stream.get());
  check(failure.empty(), ErrorCode::kDevice, "{}: reading tensor '{}' failed: {}", g.device.id(),
        engine.data.tensors[tensor].name, failure);
  return memory.data();
}

// --- running ---

/// What late steps read is copied where they stand: later steps may overwrite it.
void ExecutionContext::Impl::enqueue_late_inputs(const PlanStep& step, Stream stream) {
  Accelerated& g = *gpu;
  for (const int32_t t : step.inputs) {
    const auto i = size_t(t);
    if (engine.late[i] || engine.data.tensors[i].blob >= 0) continue;
    const size_t bytes = size_t(current->shapes[i].volume()) * size_of(engine.data.tensors[i].type);
    if (bytes > 0) g.device.copy(g.late_inputs[i].data(), pointers[i], bytes, stream);
  }
}

void ExecutionContext::Impl::provide_late_inputs() {
  for (const PlanStep& step : engine.data.steps) {
    if (!engine.is_late(step)) continue;
    for (const int32_t t : step.inputs) {
      const auto i = size_t(t);
      if (engine.late[i] || engine.data.tensors[i].blob >= 0) continue;
      Memory& memory = gpu->late_inputs[i];
      if (memory.data() != nullptr) continue;
      memory = Memory(&gpu->device, bytes_at_max(i), Memory::Kind::kPinned);
    }
  }
}

/// All steps but late ones. `marked`: the count of those done goes to the host.
void ExecutionContext::Impl::enqueue_steps(Stream stream, bool marked) {
  Accelerated& g = *gpu;
  for (size_t s = 0; s < current->steps.size(); ++s) {
    if (current->steps[s] == nullptr) {
      enqueue_late_inputs(engine.data.steps[s], stream);
      continue;
    }
    if (profiler) g.device.record(g.begin, stream);
    current->steps[s]->run({step_inputs.data() + input_begin[s],
                            step_outputs.data() + output_begin[s], workspace.data(), stream});
    if (const std::string failure = g.device.launch_failure(); !failure.empty()) {
      // A fault of an earlier step shows at whatever is called next.
      if (marked && !g.device.wait(stream).empty()) fail_on_device(failure);
      fail(ErrorCode::kDevice, "{}: step '{}' cannot start: {}", g.device.id(),
           engine.data.steps[s].name, failure);
    }
    if (marked)
      g.device.copy(g.progress.data(), g.marks.as<int32_t>() + s, sizeof(int32_t), stream);
    if (!profiler) continue;
    g.device.record(g.end, stream);
    g.device.record(g.done, stream);
    g.is_pending = true;
    wait_for_device();
    profiler(int(s), int64_t(g.device.nanoseconds(g.begin, g.end)));
  }
}

/// On our own stream, whatever stream the graph goes to later. Null where something in it refuses.
DeviceGraph ExecutionContext::Impl::record_graph() {
  const Accelerator& device = gpu->device;
  device.begin_capture(gpu->stream.get());
  try {
    enqueue_steps(gpu->stream.get(), false);
  } catch (const Error&) {
    if (const DeviceGraph graph = device.end_capture(gpu->stream.get()))
      device.release_graph(graph);
    return nullptr;
  }
  return device.end_capture(gpu->stream.get());
}

void ExecutionContext::Impl::enqueue(Stream stream) {
  Accelerated& g = *gpu;
  for (size_t i = 0; i < g.inputs.size(); ++i) {
    if (g.input_in_place[i]) continue;
    const size_t bytes = size_t(input_shapes[i].volume()) * size_of(input_tensor(i).type);
    if (bytes > 0) g.device.copy(g.inputs[i].data(), bound_inputs[i], bytes, stream);
  }
  GraphCache::Entry* entry = nullptr;
  if (graphs_allowed() && !profiler) {
    for (size_t i = 0; i < g.inputs.size(); ++i) g.addresses[i] = device_input(i);
    for (size_t o = 0; o < g.outputs.size(); ++o) {
      g.addresses[g.inputs.size() + o] = device_output(o);
    }
    entry = current->graphs->find(g.addresses);
    if (entry == nullptr) {
      current->graphs->add(g.addresses);
    } else if (entry->graph == nullptr && !entry->refused) {
      entry->graph = record_graph();
      entry->refused = entry->graph == nullptr;
    }
  }
  g.by_steps = entry == nullptr || entry->graph == nullptr;
  if (g.by_steps) {
    *g.progress.as<int32_t>() = 0;
    enqueue_steps(stream, !profiler);
  } else {
    g.device.launch(entry->graph, stream);
  }
  for (size_t o = 0; o < g.outputs.size(); ++o) {
    const auto t = size_t(engine.data.outputs[o]);
    if (engine.late[t] || bound_outputs[o] == nullptr || g.output_in_place[o]) continue;
    const size_t bytes = size_t(current->shapes[t].volume()) * size_of(engine.data.tensors[t].type);
    if (bytes > 0) g.device.copy(bound_outputs[o], g.outputs[o].data(), bytes, stream);
  }
}

void ExecutionContext::Impl::run_on_device(Stream stream) {
  Accelerated& g = *gpu;
  require_ready();
  g.device.make_current();
  if (!pointers_valid) resolve_pointers();
  const ThreadCountScope threads(engine.host.threads);
  ran = false;
  if (engine.any_late) run_shapes = current->shapes;
  if (g.is_pending) {
    if (g.by_steps) wait_for_device();  // marks tell of one run
    if (g.is_pending && g.last != stream) g.device.wait_event(stream, g.done);
  }
  try {
    enqueue(stream);
    g.device.record(g.done, stream);
  } catch (const Error& error) {
    const bool named = std::string_view(error.what()).find(": step '") != std::string_view::npos;
    if (error.code() != ErrorCode::kDevice || named || g.device.wait(stream).empty()) throw;
    fail_on_device(error.what());
  }
  g.last = stream;
  g.is_pending = true;
  if (engine.any_late) {
    wait_for_device();
    for (size_t s = 0; s < current->steps.size(); ++s) {
      if (current->steps[s] == nullptr) run_step(s);
    }
  }
  ran = true;
}

void ExecutionContext::Impl::wait_for_device() const {
  Accelerated& g = *gpu;
  if (!g.is_pending) return;
  g.is_pending = false;
  const std::string failure = g.device.wait_for(g.done);
  if (current != nullptr) {
    for (RunsOnHost* step : current->host_steps) {
      if (const std::exception_ptr error = step->take_failure()) std::rethrow_exception(error);
    }
  }
  if (!failure.empty()) fail_on_device(failure);
}

/// What a fault while running is told as: by its step, where steps ran one by one.
void ExecutionContext::Impl::fail_on_device(const std::string& failure) const {
  const Accelerated& g = *gpu;
  constexpr std::string_view kAdvice =
      "; the GPU is lost to this process: start it anew, and see that bound memory is as large as "
      "the shapes ask for";
  if (!g.by_steps) {
    fail(ErrorCode::kDevice,
         "{}: plan '{}' failed while it ran: {} (OCTILE_GPU_STEPS=1 runs step by step and names "
         "the step){}",
         g.device.id(), engine.data.name, failure, kAdvice);
  }
  const auto done = size_t(*g.progress.as<int32_t>());
  fail(ErrorCode::kDevice, "{}: step '{}' failed: {}{}", g.device.id(),
       done < engine.data.steps.size() ? engine.data.steps[done].name : "after the last step",
       failure, kAdvice);
}

}  // namespace octile
