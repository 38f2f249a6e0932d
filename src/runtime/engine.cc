// Engine: a plan checked against this machine, its weights packed.
#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/parallel_for.h"
#include "runtime/engine_impl.h"
#include "runtime/nothing.h"

namespace octile {
namespace {

std::vector<Shape> shapes_at(const PlanData& plan, const PlanProfile& profile,
                             const Shape PlanProfile::Bounds::*which) {
  std::vector<Shape> inputs;
  for (const auto& bounds : profile.inputs) inputs.push_back(bounds.*which);
  return infer_all_shapes(plan, inputs);
}

}  // namespace

Engine::Impl::Impl(const Plan& plan_in, const EngineOptions& options_in)
    : plan(plan_in),
      options(options_in),
      backend(*device_from_name(options.device).backend),
      device(backend.open(options.isa, options.threads, device_from_name(options.device).ordinal)),
      fused(fuse_quantize(plan.data(), backend, device)),
      data(fused.plan != nullptr ? *fused.plan : plan.data()),
      host_backend(cpu_backend()),
      host(device.accelerator != nullptr ? cpu_backend().open(std::nullopt, options.threads)
                                         : device),
      late(late_tensors(data)),
      any_late(std::count(late.begin(), late.end(), true) > 0) {
  for (int32_t t : data.inputs) {
    const PlanTensor& tensor = data.tensors[size_t(t)];
    bindings.push_back({tensor.name, tensor.type, tensor.shape, true, false});
  }
  for (int32_t t : data.outputs) {
    const PlanTensor& tensor = data.tensors[size_t(t)];
    bindings.push_back({tensor.name, tensor.type, tensor.shape, false, late[size_t(t)]});
  }
  if (device.accelerator != nullptr) options.device = device.accelerator->id();
  const ThreadCountScope threads(device.threads);
  choose_tactics();
  pack();
  place_tensors();
  if (device.accelerator != nullptr) upload_constants();
}

void Engine::Impl::upload_constants() {
  constants.resize(data.tensors.size());
  for (const PlanStep& step : data.steps) {
    for (const int32_t t : step.inputs) {
      const int32_t blob = data.tensors[size_t(t)].blob;
      if (blob < 0 || is_late(step) || constants[size_t(t)].data() != nullptr) continue;
      constants[size_t(t)] = upload(device.accelerator, data.blobs[size_t(blob)].bytes);
    }
  }
}

void Engine::Impl::log(LogLevel level, const std::string& message) const {
  if (options.log) options.log(level, message);
}

/// The plan's preferred rows where they accept, else the first that does, told once a step.
void Engine::Impl::choose_tactics() {
  std::set<std::pair<const PlanStep*, const Tactic*>> told;
  std::set<const PlanStep*> changed;
  for (size_t p = 0; p < data.profiles.size(); ++p) {
    ProfileState state;
    state.max_shapes = shapes_at(data, data.profiles[p], &PlanProfile::Bounds::max);
    for (const PlanStep& step : data.steps) {
      if (is_late(step)) {
        state.tactics.push_back(nullptr);
        continue;
      }
      const StepView view = make_view(data, step, state.max_shapes);
      const std::string& preferred = step.tactics[p];
      const Tactic* tactic = find_tactic(backend, preferred);
      const std::string reason =
          tactic == nullptr ? "not in this build" : refusal(*tactic, view, device);
      if (!reason.empty()) {
        tactic = &first_accepting(backend, view, device);
        changed.insert(&step);
        if (told.emplace(&step, tactic).second) {
          log(LogLevel::kDebug, fmt::format("step '{}': {} refuses here ({}); {} runs instead",
                                            step.name, preferred, reason, tactic->name()));
        }
      }
      state.tactics.push_back(tactic);
    }
    profiles.push_back(std::move(state));
  }
  if (!changed.empty()) {
    log(LogLevel::kWarning,
        fmt::format("plan '{}' was built on {}; this machine uses {}{}: {} of {} steps run by "
                    "another tactic, with the same int8 bits; `octile retime` chooses by timing",
                    data.name, data.built_on, name_of(device.isa),
                    device.accelerator != nullptr ? " on " + device.accelerator->name() : "",
                    changed.size(), data.steps.size()));
  }
}

/// The last step of a chain reads what the first one would have read. As far as chains show at max
/// shapes: contexts leave out those whose memory does not allow it.
std::vector<FurtherRead> Engine::Impl::reads_of_chains(const ProfileState& state) const {
  if (device.accelerator == nullptr || any_late || state.memory.keeps_offsets) return {};
  std::vector<ChosenStep> chosen(data.steps.size());
  for (size_t s = 0; s < data.steps.size(); ++s) {
    const StepView view = make_view(data, data.steps[s], state.max_shapes, state.places);
    if (fused.absorbed[s] || makes_nothing(view)) continue;
    chosen[s].view.emplace(view);
    chosen[s].tactic = state.tactics[s];
    chosen[s].packed = state.packed[s];
  }
  std::vector<FurtherRead> reads;
  for (const FoundChain& chain : backend.find_chains(chosen, device)) {
    for (const int32_t t : data.steps[chain.first].inputs) {
      reads.push_back({t, chain.first + chain.count - 1});
    }
  }
  return reads;
}

/// Where all tactics agree, tensors lie in the output of the concatenation that reads them.
void Engine::Impl::place_tensors() {
  for (size_t p = 0; p < profiles.size(); ++p) {
    ProfileState& state = profiles[p];
    state.memory = data.profiles[p];
    const StepFits fits = [&](size_t s, const std::vector<Place>& places) {
      const StepView view = make_view(data, data.steps[s], state.max_shapes, places);
      return state.tactics[s] != nullptr && state.tactics[s]->takes_rows_apart(view);
    };
    if (!state.memory.keeps_offsets) state.places = places_in_concatenations(data, fits);
    state.places.resize(data.tensors.size());
    for (size_t s = 0; s < data.steps.size(); ++s) {  // it may hang on places
      if (state.tactics[s] == nullptr) continue;
      const StepView view = make_view(data, data.steps[s], state.max_shapes, state.places);
      state.workspace_bytes =
          std::max(state.workspace_bytes, state.tactics[s]->workspace_bytes(view, device));
    }
    const bool placed =
        std::ranges::any_of(state.places, [](const Place& place) { return place.root >= 0; });
    const std::vector<FurtherRead> reads = reads_of_chains(state);
    // The fused plan's readers want floats for longer.
    if (placed || fused.plan != nullptr || !reads.empty()) {
      plan_memory(data, state.memory, state.places, reads);
    }
    const ConcatenatedBytes bytes = concatenated_bytes(data, state.max_shapes, state.places);
    if (bytes.all == 0) continue;
    log(LogLevel::kDebug,
        fmt::format("plan '{}', profile {}: {} of {} concatenated bytes are copied; "
                    "the arena has {} bytes, it had {} if all were",
                    data.name, p, bytes.copied, bytes.all, state.memory.arena_bytes,
                    data.profiles[p].arena_bytes));
  }
}

/// Once a step and tactic, however many profiles share them.
void Engine::Impl::pack() {
  for (size_t s = 0; s < data.steps.size(); ++s) {
    std::map<const Tactic*, const PackedWeights*> done;
    for (ProfileState& state : profiles) {
      const Tactic* tactic = state.tactics[s];
      if (tactic == nullptr || fused.absorbed[s]) {
        state.packed.push_back(nullptr);
        continue;
      }
      const auto found = done.find(tactic);
      if (found == done.end()) {
        packed.push_back(tactic->pack(make_view(data, data.steps[s], state.max_shapes), device));
        done[tactic] = packed.back().get();
      }
      state.packed.push_back(done[tactic]);
    }
  }
}

int Engine::Impl::input_index(const std::string& name) const {
  for (size_t i = 0; i < data.inputs.size(); ++i) {
    if (data.tensors[size_t(data.inputs[i])].name == name) return int(i);
  }
  return -1;
}

int Engine::Impl::output_index(const std::string& name) const {
  for (size_t i = 0; i < data.outputs.size(); ++i) {
    if (data.tensors[size_t(data.outputs[i])].name == name) return int(i);
  }
  return -1;
}

void Engine::Impl::check_profile(int profile) const {
  check(profile >= 0 && profile < int(profiles.size()), ErrorCode::kInvalidArgument,
        "engine '{}' has no profile {}; it has 0 … {}", data.name, profile, profiles.size() - 1);
}

const PlanProfile::Bounds& Engine::Impl::bounds(const std::string& input, int profile) const {
  check_profile(profile);
  const int index = input_index(input);
  check(index >= 0, ErrorCode::kInvalidArgument, "engine '{}' has no input '{}'", data.name, input);
  return data.profiles[size_t(profile)].inputs[size_t(index)];
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Engine Engine::load(const Plan& plan, const EngineOptions& options) {
  return Engine(std::make_unique<Impl>(plan, options));
}

Engine Engine::load(const std::string& file, const EngineOptions& options) {
  return load(Plan::load(file), options);
}

const std::vector<Binding>& Engine::bindings() const { return impl_->bindings; }
int Engine::profile_count() const { return int(impl_->profiles.size()); }

Shape Engine::min_shape(const std::string& input, int profile) const {
  return impl_->bounds(input, profile).min;
}
Shape Engine::opt_shape(const std::string& input, int profile) const {
  return impl_->bounds(input, profile).opt;
}
Shape Engine::max_shape(const std::string& input, int profile) const {
  return impl_->bounds(input, profile).max;
}

std::vector<std::string> Engine::tactics(int profile) const {
  impl_->check_profile(profile);
  std::vector<std::string> names;
  for (const Tactic* tactic : impl_->profiles[size_t(profile)].tactics) {
    names.emplace_back(impl_->fused.absorbed[names.size()] ? kAbsorbedTactic
                       : tactic != nullptr                 ? tactic->name()
                                                           : kLateTactic);
  }
  return names;
}

std::string_view Engine::isa() const { return name_of(impl_->device.isa); }
const std::string& Engine::device() const { return impl_->options.device; }
const Plan& Engine::plan() const { return impl_->plan; }

size_t Engine::packed_bytes() const {
  size_t bytes = 0;
  for (const auto& weights : impl_->packed) bytes += weights != nullptr ? weights->bytes() : 0;
  return bytes;
}

size_t Engine::arena_bytes(int profile) const {
  impl_->check_profile(profile);
  return size_t(impl_->profiles[size_t(profile)].memory.arena_bytes) +
         impl_->profiles[size_t(profile)].workspace_bytes;
}

std::vector<DeviceInfo> devices() {
  std::vector<DeviceInfo> list;
  for (const Backend* backend : backends()) {
    for (DeviceInfo& info : backend->describe()) list.push_back(std::move(info));
  }
  return list;
}

}  // namespace octile
