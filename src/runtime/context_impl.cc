// What a context does: shapes in, prepared steps out, pointers, run(). run() neither allocates nor
// decides; everything that may is in activate(), which hangs on the shapes.
#include "runtime/context_impl.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/parallel_for.h"
#include "base/with_team.h"
#include "runtime/nothing.h"

namespace octile {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostPrepared = 32;  // sets of input shapes; the least recently used one goes

/// Steps whose operands' shapes stand in a relation (broadcasting, nothing in one of them) that can
/// change below max.
bool may_differ_from_max(const StepView& view) {
  const Step& step = view.step.step;
  return std::holds_alternative<EltwiseStep>(step) || std::holds_alternative<MatMulStep>(step) ||
         std::any_of(view.inputs.begin(), view.inputs.end(),
                     [](const PlanTensor& t) { return t.shape.volume() == 0; });
}

}  // namespace

ExecutionContext::Impl::Impl(const Engine::Impl& engine_in, int profile_in)
    : engine(engine_in),
      profile(profile_in),
      plan_profile(engine.profiles[size_t(profile_in)].memory),
      arena(engine.device.accelerator, size_t(plan_profile.arena_bytes)),
      workspace(engine.device.accelerator, engine.profiles[size_t(profile_in)].workspace_bytes) {
  const PlanData& plan = engine.data;
  if (engine.device.accelerator != nullptr) {
    gpu = std::make_unique<Accelerated>(*engine.device.accelerator, plan.tensors.size(),
                                        plan.inputs.size(), plan.outputs.size(), plan.steps.size());
    if (engine.any_late) provide_late_inputs();
  }
  input_shapes.resize(plan.inputs.size());
  input_known.assign(plan.inputs.size(), false);
  bound_inputs.assign(plan.inputs.size(), nullptr);
  bound_outputs.assign(plan.outputs.size(), nullptr);
  owned_inputs.resize(plan.inputs.size());
  owned_outputs.resize(plan.outputs.size());
  for (const PlanStep& step : plan.steps) {
    input_begin.push_back(step_inputs.size());
    output_begin.push_back(step_outputs.size());
    step_inputs.resize(step_inputs.size() + step.inputs.size());
    step_outputs.resize(step_outputs.size() + step.outputs.size());
  }
  find_views();
  if (engine.any_late) late_values.resize(plan.tensors.size());
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const PlanProfile::Bounds& b = plan_profile.inputs[i];
    if (b.min != b.max) {
      ++varying_inputs;
      continue;
    }
    input_shapes[i] = b.opt;
    input_known[i] = true;
  }
  activate();
}

// --- shapes ---

void ExecutionContext::Impl::require_type(size_t input, const Tensor& value) const {
  const PlanTensor& tensor = input_tensor(input);
  check(value.type() == tensor.type, ErrorCode::kInvalidArgument,
        "input '{}' needs {} values, not {}; cast them", tensor.name, name_of(tensor.type),
        name_of(value.type()));
}

void ExecutionContext::Impl::require_inside(size_t input, const Shape& shape) const {
  const PlanProfile::Bounds& b = plan_profile.inputs[input];
  bool inside = shape.rank() == b.min.rank();
  for (int axis = 0; inside && axis < shape.rank(); ++axis) {
    inside = b.min[axis] <= shape[axis] && shape[axis] <= b.max[axis];
  }
  check(inside, ErrorCode::kInvalidArgument,
        "input '{}': shape {} is outside profile {}, which goes from {} to {}; use another profile "
        "or build one that holds it",
        input_tensor(input).name, shape.to_string(), profile, b.min.to_string(), b.max.to_string());
}

/// Where several inputs vary, shapes set one after the other need not fit before the last is set:
/// what does not fit is told by run() then.
void ExecutionContext::Impl::set_shape(size_t input, const Shape& shape) {
  require_inside(input, shape);
  if (input_known[input] && input_shapes[input] == shape && current != nullptr) return;
  const Shape before = std::exchange(input_shapes[input], shape);
  const bool known_before = input_known[input];
  input_known[input] = true;
  try {
    activate();
  } catch (const Error&) {
    if (varying_inputs <= 1) {
      input_shapes[input] = before;
      input_known[input] = known_before;
      activate();
      throw;
    }
  }
  // Our copy of the data has the old shape.
  const void* owned = gpu != nullptr ? gpu->inputs[input].data() : owned_inputs[input].data();
  const Shape& had = gpu != nullptr ? gpu->input_shapes[input] : owned_inputs[input].shape();
  if (bound_inputs[input] == owned && had != shape) bound_inputs[input] = nullptr;
}

void ExecutionContext::Impl::set_shapes(const std::vector<Tensor>& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    require_type(i, inputs[i]);
    require_inside(i, inputs[i].shape());
  }
  bool changed = current == nullptr;
  for (size_t i = 0; i < inputs.size(); ++i) {
    changed |= input_shapes[i] != inputs[i].shape();
    input_shapes[i] = inputs[i].shape();
    input_known[i] = true;
  }
  if (changed) activate();
}

/// REQUIRES: the input's shape is value's.
void ExecutionContext::Impl::set_data(size_t input, const Tensor& value) {
  if (gpu != nullptr) return set_data_on_device(input, value);
  Tensor& owned = owned_inputs[input];
  if (owned.data() != nullptr && owned.shape() == value.shape()) {
    std::memcpy(owned.data(), value.data(), value.bytes());
  } else {
    owned = value;
  }
  pointers_valid = pointers_valid && bound_inputs[input] == owned.data();
  bound_inputs[input] = owned.data();
}

void ExecutionContext::Impl::activate() {
  current = nullptr;
  pointers_valid = false;
  ran = false;
  if (std::count(input_known.begin(), input_known.end(), false) > 0) return;
  std::vector<std::vector<int64_t>> key;
  for (const Shape& shape : input_shapes) key.push_back(shape.to_vector());
  auto found = prepared.find(key);
  if (found == prepared.end()) {
    Prepared made = prepare();
    if (prepared.size() >= kMostPrepared) {
      if (gpu != nullptr) wait_for_device();
      prepared.erase(std::min_element(
          prepared.begin(), prepared.end(),
          [](const auto& a, const auto& b) { return a.second.last_used < b.second.last_used; }));
    }
    found = prepared.emplace(std::move(key), std::move(made)).first;
  }
  found->second.last_used = ++uses;
  if (gpu != nullptr) provide_outputs_on_device();
  for (size_t o = 0; o < owned_outputs.size(); ++o) {
    const auto t = size_t(engine.data.outputs[o]);
    if (engine.late[t] || gpu != nullptr) continue;
    const Shape& shape = found->second.shapes[t];
    const bool fits = owned_outputs[o].data() != nullptr && owned_outputs[o].shape() == shape;
    if (bound_outputs[o] != nullptr || fits) continue;
    owned_outputs[o] = Tensor(engine.data.tensors[t].type, shape);
  }
  current = &found->second;
}

ExecutionContext::Impl::Prepared ExecutionContext::Impl::prepare() {
  const PlanData& plan = engine.data;
  const Engine::Impl::ProfileState& state = engine.profiles[size_t(profile)];
  const ThreadCountScope threads(engine.device.threads);
  Prepared made;
  made.shapes = infer_all_shapes(plan, input_shapes);
  for (size_t t = 0; t < made.shapes.size(); ++t) {
    if (engine.late[t]) continue;
    check(made.shapes[t].volume() <= state.max_shapes[t].volume(), ErrorCode::kUnsupported,
          "tensor '{}' has shape {} here, larger than at the profile's max shapes ({}); build the "
          "plan with a profile for these shapes",
          plan.tensors[t].name, made.shapes[t].to_string(), state.max_shapes[t].to_string());
  }
  std::vector<ChosenStep> chosen(plan.steps.size());
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    if (engine.is_late(plan.steps[s])) {
      made.steps.push_back(nullptr);
      continue;
    }
    const StepView view = make_view(plan, plan.steps[s], made.shapes, state.places);
    if (engine.fused.absorbed[s] || makes_nothing(view)) {
      made.steps.push_back(std::make_unique<Nothing>());
      continue;
    }
    const Tactic& tactic = tactic_for(s, view);
    const PackedWeights* packed = state.packed[s];
    if (&tactic != state.tactics[s]) {
      made.packed.push_back(tactic.pack(view, engine.device));
      packed = made.packed.back().get();
    }
    // A small grid may be split, which needs scratch that the largest one does not.
    if (gpu != nullptr) grow_workspace(tactic.workspace_bytes(view, engine.device));
    made.steps.push_back(tactic.prepare(view, packed, engine.device));
    if (gpu == nullptr) continue;
    chosen[s].view.emplace(view);
    chosen[s].tactic = &tactic;
    chosen[s].packed = packed;
  }
  for (const auto& step : made.steps) {  // late ones may make primitives, which count threads
    made.threads.push_back(step != nullptr ? threads_of(*step) : StepThreads::kOpenMp);
    if (gpu == nullptr) continue;
    if (auto* host = dynamic_cast<RunsOnHost*>(step.get())) made.host_steps.push_back(host);
  }
  if (gpu != nullptr) {
    made.graphs = std::make_unique<GraphCache>(gpu->device);
    find_chains(made, chosen);
  }
  return made;
}

/// The first row that accepts the step, and its tensors' places.
const Tactic& ExecutionContext::Impl::other_for(const StepView& view) const {
  const auto placed = [](const PlanTensor& t) { return t.row_stride > 0; };
  if (std::ranges::none_of(view.inputs, placed) && std::ranges::none_of(view.outputs, placed)) {
    return first_accepting(engine.backend, view, engine.device);
  }
  for (const Tactic* tactic : accepting(engine.backend, view, engine.device)) {
    if (tactic->takes_rows_apart(view)) return *tactic;
  }
  fail(ErrorCode::kInternal, "step '{}': no tactic for these shapes keeps its rows apart",
       view.step.name);
}

/// The engine's choice, made at max shapes; where operands stand otherwise to each other here
/// (one broadcasts), it is asked again.
const Tactic& ExecutionContext::Impl::tactic_for(size_t step, const StepView& view) {
  const Tactic& chosen = *engine.profiles[size_t(profile)].tactics[step];
  const bool ask = gpu != nullptr || may_differ_from_max(view);  // a GPU's rows may mind the batch
  if (!ask || refusal(chosen, view, engine.device).empty()) return chosen;
  const Tactic& other = other_for(view);
  grow_workspace(other.workspace_bytes(view, engine.device));
  return other;
}

void ExecutionContext::Impl::grow_workspace(size_t bytes) {
  if (bytes <= workspace.bytes()) return;
  if (gpu != nullptr) {
    wait_for_device();
    for (auto& [key, made] : prepared) made.graphs->clear();  // they hold the old address
  }
  workspace = Memory(engine.device.accelerator, bytes);
}

// --- pointers ---

/// Inputs and constants lie where their owners say; a view of them reads them in place, unless it
/// is an output, or tensors have places of their own.
void ExecutionContext::Impl::find_views() {
  const PlanData& plan = engine.data;
  pointers.assign(plan.tensors.size(), nullptr);
  for (size_t t = 0; t < plan.tensors.size(); ++t) {
    const int32_t blob = plan.tensors[t].blob;
    const int64_t offset = plan_profile.offsets[t];
    if (blob >= 0) {
      pointers[t] = gpu != nullptr ? engine.constants[t].data()
                                   : const_cast<std::byte*>(plan.blobs[size_t(blob)].bytes.data());
    } else if (offset >= 0) {
      pointers[t] = arena.data() + offset;
    }
  }
  const std::vector<Place>& places = engine.profiles[size_t(profile)].places;
  for (size_t t = 0; t < plan.tensors.size(); ++t) {
    if (places[t].root >= 0 && plan_profile.offsets[t] < 0) output_parts.push_back(int32_t(t));
  }
  if (!plan_profile.keeps_offsets) views_in_place = foreign_views(plan);
}

void ExecutionContext::Impl::resolve_pointers() {
  const PlanData& plan = engine.data;
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    pointers[size_t(plan.inputs[i])] =
        gpu != nullptr ? device_input(i) : const_cast<void*>(bound_inputs[i]);
  }
  for (size_t o = 0; o < plan.outputs.size(); ++o) {
    pointers[size_t(plan.outputs[o])] = gpu != nullptr                ? device_output(o)
                                        : bound_outputs[o] != nullptr ? bound_outputs[o]
                                                                      : owned_outputs[o].data();
  }
  for (int32_t t : output_parts) {
    const Place& place = engine.profiles[size_t(profile)].places[size_t(t)];
    pointers[size_t(t)] = static_cast<std::byte*>(pointers[size_t(place.root)]) + place.offset;
  }
  for (const auto& [to, from] : views_in_place) pointers[size_t(to)] = pointers[size_t(from)];
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const PlanStep& step = plan.steps[s];
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      step_inputs[input_begin[s] + i] = pointers[size_t(step.inputs[i])];
    }
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      step_outputs[output_begin[s] + i] = pointers[size_t(step.outputs[i])];
    }
  }
  pointers_valid = true;
}

// --- running ---

void ExecutionContext::Impl::require_ready() {
  for (size_t i = 0; i < bound_inputs.size(); ++i) {
    check(input_known[i], ErrorCode::kInvalidArgument,
          "input '{}' has no shape yet; call set_input_shape first", input_tensor(i).name);
    check(bound_inputs[i] != nullptr, ErrorCode::kInvalidArgument,
          "input '{}' has no data of shape {}; call bind_input or set_input first",
          input_tensor(i).name, input_shapes[i].to_string());
  }
  if (current == nullptr) activate();  // throws: the shapes did not fit each other
}

void ExecutionContext::Impl::run() {
  if (gpu != nullptr) {
    run_on_device(gpu->stream.get());
    return wait_for_device();
  }
  require_ready();
  if (!pointers_valid) resolve_pointers();
  const ThreadCountScope threads(engine.device.threads);
  ran = false;
  if (engine.any_late) run_shapes = current->shapes;
  for (size_t s = 0; s < current->steps.size();) {
    if (current->threads[s] != StepThreads::kTeam) {
      run_step(s++);
      continue;
    }
    with_team([&] {  // until a step comes that OpenMP's threads must be free for
      while (s < current->steps.size() && current->threads[s] != StepThreads::kOpenMp)
        run_step(s++);
    });
  }
  ran = true;
}

void ExecutionContext::Impl::run_step(size_t s) {
  const Clock::time_point start = profiler ? Clock::now() : Clock::time_point();
  octile::Prepared& step = current->steps[s] != nullptr ? *current->steps[s] : prepare_late(s);
  step.run({step_inputs.data() + input_begin[s], step_outputs.data() + output_begin[s],
            gpu != nullptr ? late_workspace.data() : workspace.data()});
  if (!profiler) return;
  profiler(int(s),
           std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
}

}  // namespace octile
