// Running on a GPU: the first run under new shapes and addresses goes step by step, the second one
// is recorded, later ones replay the graph. See accelerated.h.
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "backend/repeat_clock.h"
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

/// Late steps' inputs are copied where they stand, and tensors that are looked at are all made:
/// neither goes with chains.
void ExecutionContext::Impl::find_chains(Prepared& made, std::span<const ChosenStep> chosen) const {
  if (engine.any_late || plan_profile.keeps_offsets) return;
  made.chains = engine.backend.find_chains(chosen, engine.device);
}

/// Whether its last step writes where its first one's inputs lie: memory is planned for chains at
/// max shapes, and callers bind what they like.
bool ExecutionContext::Impl::overwrites_itself(const FoundChain& chain) const {
  const auto bytes = [&](int32_t t) {
    const auto i = size_t(t);
    const auto* begin = static_cast<const std::byte*>(pointers[i]);
    return std::span(begin,
                     size_t(current->shapes[i].volume()) * size_of(engine.data.tensors[i].type));
  };
  const PlanStep &first = engine.data.steps[chain.first],
                 &last = engine.data.steps[chain.first + chain.count - 1];
  const auto read = bytes(first.inputs[0]), written = bytes(last.outputs[0]);
  return read.data() < written.data() + written.size() &&
         written.data() < read.data() + read.size();
}

/// The chain that can run from this step on, or null.
const FoundChain* ExecutionContext::Impl::chain_at(size_t step) const {
  const auto found = std::ranges::find(current->chains, step, &FoundChain::first);
  if (found == current->chains.end() || overwrites_itself(*found)) return nullptr;
  return &*found;
}

void ExecutionContext::Impl::enqueue_chain(const FoundChain& chain, Stream stream) {
  const size_t last = chain.first + chain.count - 1;
  chain.chain->run(step_inputs[input_begin[chain.first]], step_outputs[output_begin[last]], stream);
  if (const std::string failure = gpu->device.launch_failure(); !failure.empty()) {
    fail(ErrorCode::kDevice, "{}: steps '{}' to '{}' cannot start together: {}", gpu->device.id(),
         engine.data.steps[chain.first].name, engine.data.steps[last].name, failure);
  }
}

/// REQUIRES: no late one. Whether its launch was refused shows in launch_failure().
void ExecutionContext::Impl::enqueue_step(size_t s, Stream stream) {
  current->steps[s]->run({step_inputs.data() + input_begin[s],
                          step_outputs.data() + output_begin[s], workspace.data(), stream});
}

/// All steps but late ones. `marked`: the count of those done goes to the host. Chains go into
/// graphs alone: whoever watches steps gets them one by one.
void ExecutionContext::Impl::enqueue_steps(Stream stream, bool marked) {
  Accelerated& g = *gpu;
  for (size_t s = 0; s < current->steps.size(); ++s) {
    if (const FoundChain* chain = marked || profiler ? nullptr : chain_at(s)) {
      enqueue_chain(*chain, stream);
      s += chain->count - 1;
      continue;
    }
    if (current->steps[s] == nullptr) {
      enqueue_late_inputs(engine.data.steps[s], stream);
      continue;
    }
    if (profiler) g.device.record(g.begin.get(), stream);
    enqueue_step(s, stream);
    if (const std::string failure = g.device.launch_failure(); !failure.empty()) {
      // A fault of an earlier step shows at whatever is called next.
      if (marked && !g.device.wait(stream).empty()) fail_on_device(failure);
      fail(ErrorCode::kDevice, "{}: step '{}' cannot start: {}", g.device.id(),
           engine.data.steps[s].name, failure);
    }
    if (marked)
      g.device.copy(g.progress.data(), g.marks.as<int32_t>() + s, sizeof(int32_t), stream);
    if (!profiler) continue;
    g.device.record(g.end.get(), stream);
    g.device.record(g.done.get(), stream);
    g.is_pending = true;
    wait_for_device();
    profiler(int(s), int64_t(g.device.nanoseconds(g.begin.get(), g.end.get())));
  }
}

/// On our own stream, whatever stream the graph goes to later. Null where something in it refuses.
DeviceGraph ExecutionContext::Impl::record_graph() {
  return recorded(gpu->device, gpu->stream.get(), [&] { enqueue_steps(gpu->stream.get(), false); });
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
    if (g.is_pending && g.last != stream) g.device.wait_event(stream, g.done.get());
  }
  try {
    enqueue(stream);
    g.device.record(g.done.get(), stream);
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
  const std::string failure = g.device.wait_for(g.done.get());
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
