// What a context on a GPU owns, and whose memory its inputs and outputs are. See accelerated.h;
// device_run.cc runs it.
#include "runtime/accelerated.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "runtime/context_impl.h"

namespace octile {

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
      begin(accelerator),
      end(accelerator),
      done(accelerator) {
  std::vector<int32_t> numbers(step_count + 1);
  std::iota(numbers.begin(), numbers.end(), 1);
  marks = upload(&accelerator, std::as_bytes(std::span(numbers)));
}

Accelerated::~Accelerated() {
  if (is_pending) (void)device.wait_for(done.get());  // the arena is in use until then
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

}  // namespace octile
