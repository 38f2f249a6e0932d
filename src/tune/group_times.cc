// See group_times.h. Start reading at measure_times().
#include "tune/group_times.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/backend.h"
#include "base/bytes.h"
#include "compile/select_tactics.h"
#include "runtime/fuse_quantize.h"
#include "tune/conversion_times.h"
#include "tune/race.h"
#include "tune/step_times.h"

namespace octile {
namespace {

std::vector<int> depths(const LabelledGraph& graph) {
  std::vector<int> producer(size_t(graph.network.tensor_count()), -1);
  std::vector<int> depth(graph.groups.size(), 0);
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    for (TensorId t : operands_of(graph.network, graph.groups[g])) {
      const int p = producer[size_t(t.index)];
      if (p >= 0) depth[g] = std::max(depth[g], depth[size_t(p)] + 1);
    }
    for (LayerId layer : graph.groups[g].layers()) {
      for (TensorId t : graph.network.outputs(layer)) producer[size_t(t.index)] = int(g);
    }
  }
  return depth;
}

std::vector<Variant> variants_of(const LabelledGraph& graph, bool half) {
  const size_t count = graph.groups.size();
  const std::vector<int> depth = depths(graph);
  const auto where = [&](const auto& in_int8) {
    std::vector<Precision> labels(count, Precision::kFloat32);
    for (size_t g = 0; g < count; ++g) {
      if (graph.labels[g].can_int8 && in_int8(g)) labels[g] = Precision::kInt8;
    }
    return labels;
  };
  std::vector<Variant> list;
  list.push_back({"float32", where([](size_t) { return false; })});
  list.push_back({"int8", where([](size_t) { return true; })});
  list.push_back({"even", where([&](size_t g) { return depth[g] % 2 == 0; })});
  list.push_back({"odd", where([&](size_t g) { return depth[g] % 2 == 1; })});
  if (half) list.push_back({"half", std::vector(count, Precision::kFloat16)});
  return list;
}

std::shared_ptr<const PlanData> compiled(const Network& original, const CalibrationTable* table,
                                         const LabelledGraph& graph, const Variant& variant,
                                         const CompileOptions& options, TimingCache& times) {
  CompileOptions own = options;
  own.times = &times;
  own.build.log = nullptr;
  own.build.progress = nullptr;
  own.labelling.kind = Labelling::Kind::kGiven;
  own.labelling.ignores_requests = true;  // who assigns honours them: here each label is tried
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    own.labelling.given[name_of(graph.network, graph.groups[g])] = {variant.labels[g], ""};
  }
  return compile(original, table, own);
}

// --- the cache ---

/// Times of groups in the cache, by network, machine and group; nullopt unless all are there. Of a
/// group that could not be INT8 (no range, a request) the time in INT8 is not, for those where it
/// can.
class GroupCache {
 public:
  GroupCache(TimingCache& times, std::string prefix) : times_(times), prefix_(std::move(prefix)) {}

  std::optional<std::vector<GroupTimes>> find(const LabelledGraph& graph) const {
    std::vector<GroupTimes> list;
    for (size_t g = 0; g < graph.groups.size(); ++g) {
      const std::string key = key_of(graph, graph.groups[g]);
      const auto float32 = times_.find(key + "float32"), int8 = times_.find(key + "int8");
      if (!float32 || (graph.labels[g].can_int8 && !int8)) return std::nullopt;
      list.push_back({.float32 = *float32,
                      .half = times_.find(key + "half"),
                      .int8 = int8,
                      .int8_to_float = times_.find(key + "int8-to-float"),
                      .quantizes_input = times_.find(key + "quantizes-input").value_or(0.0) > 0.0,
                      .spread = times_.find(key + "spread-ppm").value_or(0.0) / 1e6});
    }
    return list;
  }

  void put(const LabelledGraph& graph, const std::vector<GroupTimes>& list) {
    for (size_t g = 0; g < list.size(); ++g) {
      const std::string key = key_of(graph, graph.groups[g]);
      times_.put(key + "float32", list[g].float32);
      if (list[g].half) times_.put(key + "half", *list[g].half);
      if (list[g].int8) times_.put(key + "int8", *list[g].int8);
      if (list[g].int8_to_float) times_.put(key + "int8-to-float", *list[g].int8_to_float);
      if (list[g].quantizes_input) times_.put(key + "quantizes-input", 1.0);
      times_.put(key + "spread-ppm", list[g].spread * 1e6);
    }
  }

 private:
  std::string key_of(const LabelledGraph& graph, const Group& group) const {
    Hash hash;  // names may hold anything, a line of the file may not
    hash.add(name_of(graph.network, group));
    return fmt::format("group {} {} ", prefix_, hash.hex());
  }

  TimingCache& times_;
  std::string prefix_;
};

DeviceName where(const BuildOptions& build) { return device_from_name(build.device); }

Device device_of(const BuildOptions& build) {
  return where(build).backend->open(build.isa, build.threads, where(build).ordinal);
}

std::string place_of_build(const BuildOptions& build) {
  const Device device = device_of(build);
  // How steps were timed, and that the Quantize steps of first layers stand behind views.
  const char* how = device.accelerator != nullptr ? " in a row, behind views" : "";
  return fmt::format("{} {}{}", place_of(device), name_of(build.objective), how);
}

/// The CPU's is none, and not kept.
double run_ns_of(const BuildOptions& build, TimingCache& times) {
  if (device_of(build).accelerator == nullptr) return 0.0;
  const std::string key = fmt::format("empty run {}", place_of_build(build));
  const auto known = times.find(key);
  return known ? *known : times.put(key, empty_run_ns(build));
}

void set_timings(Variant& engine, const std::vector<Timing>& timings, const BuildOptions& build) {
  engine.steps = by_name(*engine.plan, timings);
  const FusedPlan fused = fuse_quantize(*engine.plan, *where(build).backend, device_of(build));
  engine.quantizing = quantizing_readers(*engine.plan, fused.absorbed);
}

double quantize_ns(const LabelledGraph& graph, size_t g, const MeasuredTimes& times) {
  const auto operands = operands_of(graph.network, graph.groups[g]);
  return operands.empty() ? 0.0 : times.conversions[size_t(operands[0].index)].quantize;
}

/// Compiles the other engines, and fills the timings of all; the first one is in `race`.
void measure_in(std::vector<Variant>& variants, Race& race, const CompileOptions& options,
                const auto& compile_one) {
  const auto& progress = options.build.progress;
  for (size_t v = 1; v < variants.size(); ++v) {
    if (progress) progress("measure", int64_t(v), int64_t(variants.size()));
    variants[v].plan = compile_one(variants[v]);
    race.add(variants[v].plan);
  }
  if (progress) progress("measure", int64_t(variants.size()), int64_t(variants.size()));
  const auto timings = race.steps();
  for (size_t v = 0; v < variants.size(); ++v) {
    set_timings(variants[v], timings[v], options.build);
  }
}

}  // namespace

std::vector<TimeInside> group_times_inside(std::shared_ptr<const PlanData> plan,
                                           const LabelledGraph& graph,
                                           const std::vector<Label>& labels,
                                           const MeasuredTimes& measured,
                                           const BuildOptions& build) {
  Race race(build);
  race.add(plan);
  Variant engine{.name = "chosen", .labels = {}, .plan = std::move(plan)};
  set_timings(engine, race.steps()[0], build);
  std::vector<TimeInside> times;
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    const bool counts = measured.groups[g].quantizes_input;
    times.push_back(
        time_inside(engine, graph, g, labels[g], counts ? 0.0 : quantize_ns(graph, g, measured)));
  }
  return times;
}

std::string measured_on(const Network& original, const LabelledGraph& graph,
                        const CompileOptions& options) {
  const BuildOptions& build = options.build;
  Hash hash;
  hash.add(original.digest()).add(name_of(build.scheme)).add_number(uint64_t(build.fp16));
  for (const GroupLabel& label : graph.labels) hash.add(name_of(label.scheme));
  for (const std::string& pass : build.disabled_passes) hash.add(pass);
  if (!build.profiles.empty()) {
    for (const auto& [name, range] : build.profiles[0]) hash.add(name).add(range.opt.to_string());
  }
  return fmt::format("{} {}", hash.hex(), place_of_build(build));
}

MeasuredTimes measure_times(const Network& original, const CalibrationTable* table,
                            const LabelledGraph& graph, const CompileOptions& options,
                            TimingCache& times) {
  GroupCache cache(times, measured_on(original, graph, options));
  const auto compile_one = [&](const Variant& variant) {
    return compiled(original, table, graph, variant, options, times);
  };
  std::vector<Variant> variants =
      variants_of(graph, stores_half(device_of(options.build), options));
  variants[0].plan = compile_one(variants[0]);
  const auto known = cache.find(graph);
  Race race(options.build);
  if (!known) race.add(variants[0].plan);  // what cannot be timed is told before the work
  MeasuredTimes result;
  result.volumes = volumes_of(graph, *variants[0].plan);
  result.conversions =
      measure_conversions(graph, result.volumes, options, place_of_build(options.build), times);
  result.run_ns = run_ns_of(options.build, times);
  if (known) {
    result.groups = *known;
    return result;
  }
  measure_in(variants, race, options, compile_one);
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    result.groups.push_back(times_of_group(variants, graph, g, quantize_ns(graph, g, result)));
  }
  cache.put(graph, result.groups);
  result.groups = *cache.find(graph);  // as later builds will read them
  return result;
}

}  // namespace octile
