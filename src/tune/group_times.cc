// See group_times.h. Start reading at measure_times().
#include "tune/group_times.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <unordered_map>

#include "backend/backend.h"
#include "base/bytes.h"
#include "base/error.h"
#include "compile/passes.h"
#include "compile/select_tactics.h"
#include "tune/race.h"

namespace octile {
namespace {

using StepTimings = std::unordered_map<std::string, Timing>;  // by step name; sums

/// One engine to measure in.
struct Variant {
  std::string name;
  std::vector<Precision> labels;  // by group
  std::shared_ptr<const PlanData> plan = nullptr;
  StepTimings steps = {};
};

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
  own.build.layer_precision.clear();
  Network free = original;  // requests are honoured by who assigns: here each label is tried
  for (LayerId layer : free.layers()) free.set_precision(layer, Precision::kAuto);
  own.labelling.kind = Labelling::Kind::kGiven;
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    own.labelling.given[name_of(graph.network, graph.groups[g])] = {variant.labels[g], ""};
  }
  return compile(free, table, own);
}

/// Layout changes carry their group's name, so that they count with it.
StepTimings by_name(const PlanData& plan, const std::vector<Timing>& timings) {
  StepTimings sums;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    Timing& sum = sums[plan.steps[s].name];
    const double before = sum.ns * sum.spread, here = timings[s].ns * timings[s].spread;
    sum.ns += timings[s].ns;
    sum.spread = sum.ns > 0.0 ? (before + here) / sum.ns : 0.0;
  }
  return sums;
}

/// Whether the group's last step writes float32 although it computes in int8.
bool writes_float(const PlanData& plan, const std::string& name) {
  for (size_t s = plan.steps.size(); s-- > 0;) {
    const PlanStep& step = plan.steps[s];
    if (step.name != name || step.outputs.empty()) continue;
    return is_real(plan.tensors[size_t(step.outputs[0])].type);
  }
  return false;
}

/// An addition or a pooling that writes float computes in float, from operands that it dequantizes,
/// and a convolution adds its residual in float; those steps bear the tensors' names.
double operands_made_float(const StepTimings& steps, const LabelledGraph& graph, size_t g) {
  const Group& group = graph.groups[g];
  const Int8Kind kind = int8_kind(graph.network, group);
  std::vector<TensorId> operands;
  if (kind == Int8Kind::kArithmetic || kind == Int8Kind::kMovement) {
    operands = operands_of(graph.network, group);
  } else if (kind == Int8Kind::kWeighted && group.add.valid()) {
    operands = {group.residual};
  }
  double ns = 0.0;
  for (TensorId t : operands) {
    const auto found = steps.find(graph.network.name(t) + ".dequantize");
    if (found != steps.end()) ns += found->second.ns;
  }
  return ns;
}

GroupTimes times_of_group(const std::vector<Variant>& variants, const LabelledGraph& graph,
                          size_t g) {
  const std::string name = name_of(graph.network, graph.groups[g]);
  const auto in = [&](const Variant& v) {
    const auto found = v.steps.find(name);
    return found == v.steps.end() ? Timing{} : found->second;
  };
  GroupTimes times;
  times.float32 = in(variants[0]).ns;
  times.spread = in(variants[0]).spread;
  if (graph.labels[g].can_int8) {
    std::optional<double> to_int8;
    for (size_t v = 1; v < variants.size(); ++v) {
      if (variants[v].labels[g] != Precision::kInt8) continue;
      Timing timing = in(variants[v]);
      const bool to_float = writes_float(*variants[v].plan, name);
      if (to_float) timing.ns += operands_made_float(variants[v].steps, graph, g);
      auto& slot = to_float ? times.int8_to_float : to_int8;
      if (slot && *slot <= timing.ns) continue;
      slot = timing.ns;
      times.spread = timing.spread;
    }
    times.int8 = to_int8 ? to_int8 : times.int8_to_float;
  }
  if (variants.back().name == "half") times.half = in(variants.back()).ns;
  return times;
}

// --- conversions ---

/// x → Quantize → Dequantize → y over `volume` elements.
Network conversion_network(int64_t volume, bool dynamic) {
  Network network("conversion");
  const TensorId x = network.add_input("x", DataType::kFloat32, Shape{1, volume});
  if (dynamic) {
    const Quantize quantize{.type = DataType::kInt8,
                            .scale = {},
                            .zero_point = 0,
                            .axis = -1,
                            .lo = -128,
                            .hi = 127,
                            .dynamic = true};
    const LayerId q = network.add(quantize, {x}, "quantize");
    const Dequantize dequantize{.scale = {}, .zero_point = 0, .axis = -1, .dynamic = true};
    const LayerId d = network.add(dequantize, network.outputs(q), "dequantize");
    network.mark_output(network.output(d));
    return network;
  }
  const Quantize quantize{.type = DataType::kInt8,
                          .scale = {0.01f},
                          .zero_point = 0,
                          .axis = -1,
                          .lo = -128,
                          .hi = 127,
                          .dynamic = false};
  const TensorId q = network.quantize(x, quantize, "quantize");
  const Dequantize dequantize{.scale = {0.01f}, .zero_point = 0, .axis = -1, .dynamic = false};
  network.mark_output(network.dequantize(q, dequantize, "dequantize"));
  return network;
}

/// Times of both steps; the tensor was just written, as in a network.
std::pair<double, double> time_conversion(int64_t volume, bool dynamic,
                                          const CompileOptions& options, TimingCache& times) {
  CompileOptions own;
  own.times = &times;
  own.build.device = options.build.device;
  own.build.isa = options.build.isa;
  own.build.threads = options.build.threads;
  own.build.objective = options.build.objective;
  own.build.disabled_passes = pass_names();
  const auto plan = compile(conversion_network(volume, dynamic), nullptr, own);
  Race race(own.build);
  race.add(plan);
  const auto timings = race.steps()[0];
  const StepTimings by = by_name(*plan, timings);
  const auto of = [&](const char* name) {
    const auto found = by.find(name);
    return found == by.end() ? 0.0 : found->second.ns;
  };
  return {of("quantize"), of("dequantize")};
}

/// Times of conversions by the number of elements, from the cache or measured.
class ConversionClock {
 public:
  ConversionClock(const CompileOptions& options, TimingCache& times, std::string place)
      : options_(options), times_(times), place_(std::move(place)) {}

  std::pair<double, double> of(int64_t volume, bool dynamic) {
    const std::string key =
        fmt::format("conversion {} {} {} ", volume, dynamic ? "dynamic" : "static", place_);
    const auto q = times_.find(key + "quantize"), d = times_.find(key + "dequantize");
    if (q && d) return {*q, *d};
    const auto measured = time_conversion(volume, dynamic, options_, times_);
    return {times_.put(key + "quantize", measured.first),
            times_.put(key + "dequantize", measured.second)};
  }

 private:
  const CompileOptions& options_;
  TimingCache& times_;
  std::string place_;
};

/// Elements of every tensor at the first profile's opt shapes; 0 where values decide.
std::vector<int64_t> volumes_of(const LabelledGraph& graph, const PlanData& float_plan) {
  std::unordered_map<std::string, int64_t> by_name;
  std::vector<Shape> opt;
  for (const auto& bounds : float_plan.profiles[0].inputs) opt.push_back(bounds.opt);
  const auto shapes = infer_all_shapes(float_plan, opt);
  for (size_t t = 0; t < shapes.size(); ++t) {
    if (shapes[t].is_static()) by_name[float_plan.tensors[t].name] = shapes[t].volume();
  }
  std::vector<int64_t> volumes(size_t(graph.network.tensor_count()), 0);
  for (int32_t i = 0; i < graph.network.tensor_count(); ++i) {
    const TensorId t{i};
    if (!graph.network.alive(t)) continue;
    const auto found = by_name.find(graph.network.name(t));
    if (found != by_name.end()) volumes[size_t(i)] = found->second;
  }
  return volumes;
}

std::set<int32_t> converted_tensors(const LabelledGraph& graph) {
  std::set<int32_t> tensors;
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    if (!graph.labels[g].can_int8) continue;
    for (TensorId t : operands_of(graph.network, graph.groups[g])) tensors.insert(t.index);
    tensors.insert(output_of(graph.network, graph.groups[g]).index);
  }
  std::erase_if(tensors, [&](int32_t i) {
    const TensorId t{i};
    return graph.network.type(t) != DataType::kFloat32 || graph.network.constant_value(t);
  });
  return tensors;
}

void measure_groups(std::vector<Variant>& variants, const BuildOptions& build) {
  Race race(build);
  for (const Variant& variant : variants) race.add(variant.plan);
  const auto timings = race.steps();
  for (size_t v = 0; v < variants.size(); ++v) {
    variants[v].steps = by_name(*variants[v].plan, timings[v]);
  }
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

Device device_of(const BuildOptions& build) {
  const DeviceName where = device_from_name(build.device);
  return where.backend->open(build.isa, build.threads, where.ordinal);
}

std::string place_of_build(const BuildOptions& build) {
  return fmt::format("{} {}", place_of(device_of(build)), name_of(build.objective));
}

}  // namespace

std::vector<TimeInside> group_times_inside(std::shared_ptr<const PlanData> plan,
                                           const LabelledGraph& graph,
                                           const std::vector<Label>& labels,
                                           const BuildOptions& build) {
  Race race(build);
  race.add(plan);
  const StepTimings steps = by_name(*plan, race.steps()[0]);
  std::vector<TimeInside> times;
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    const std::string name = name_of(graph.network, graph.groups[g]);
    const auto found = steps.find(name);
    TimeInside inside{found == steps.end() ? 0.0 : found->second.ns, writes_float(*plan, name)};
    if (labels[g] == Label::kInt8 && inside.writes_float) {
      inside.ns += operands_made_float(steps, graph, g);
    }
    times.push_back(inside);
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
  std::vector<Variant> variants =
      variants_of(graph, stores_half(device_of(options.build), options));
  variants[0].plan = compiled(original, table, graph, variants[0], options, times);
  MeasuredTimes result;
  if (auto known = cache.find(graph)) {
    result.groups = std::move(*known);
  } else {
    int64_t done = 1;
    for (size_t v = 1; v < variants.size(); ++v) {
      if (options.build.progress)
        options.build.progress("measure", done++, int64_t(variants.size()));
      variants[v].plan = compiled(original, table, graph, variants[v], options, times);
    }
    measure_groups(variants, options.build);
    if (options.build.progress) options.build.progress("measure", done, int64_t(variants.size()));
    for (size_t g = 0; g < graph.groups.size(); ++g) {
      result.groups.push_back(times_of_group(variants, graph, g));
    }
    cache.put(graph, result.groups);
    result.groups = *cache.find(graph);  // as later builds will read them
  }
  result.volumes = volumes_of(graph, *variants[0].plan);
  const bool dynamic = std::any_of(graph.labels.begin(), graph.labels.end(),
                                   [](const GroupLabel& l) { return is_dynamic(l.scheme); });
  ConversionClock clock(options, times, place_of_build(options.build));
  result.conversions.resize(size_t(graph.network.tensor_count()));
  for (const int32_t t : converted_tensors(graph)) {
    ConversionTimes& of = result.conversions[size_t(t)];
    const int64_t volume = result.volumes[size_t(t)];
    if (volume == 0) continue;
    std::tie(of.quantize, of.dequantize) = clock.of(volume, false);
    if (dynamic) of.dynamic_quantize = clock.of(volume, true).first;
    // Both are one pass over memory; a float16 tensor has half the bytes of a float32 one.
    of.to_half = of.from_half = of.dequantize;
    of.half_to_int8 = of.quantize;
    of.int8_to_half = of.dequantize;
  }
  return result;
}

}  // namespace octile
