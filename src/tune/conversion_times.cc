// See conversion_times.h. Start reading at measure_conversions().
#include "tune/conversion_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

#include "compile/passes.h"
#include "tune/race.h"
#include "tune/step_times.h"

namespace octile {
namespace {

/// x → Quantize → Dequantize → y over `volume` elements.
Network conversion_network(int64_t volume, bool dynamic) {
  Network network("conversion");
  const TensorId x = network.add_input("x", DataType::kFloat32, Shape{1, volume});
  const std::vector<float> scale(dynamic ? 0 : 1, 0.01f);
  const Quantize quantize{.type = DataType::kInt8,
                          .scale = scale,
                          .zero_point = 0,
                          .axis = -1,
                          .lo = -128,
                          .hi = 127,
                          .dynamic = dynamic};
  const Dequantize dequantize{.scale = scale, .zero_point = 0, .axis = -1, .dynamic = dynamic};
  const LayerId q = network.add(quantize, {x}, "quantize");
  const LayerId d = network.add(dequantize, network.outputs(q), "dequantize");
  network.mark_output(network.output(d));
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

/// Times of conversions in the cache, by the number of elements.
class ConversionClock {
 public:
  ConversionClock(const CompileOptions& options, TimingCache& times, const std::string& place)
      : options_(options), times_(times), place_(place) {}

  std::optional<std::pair<double, double>> find(int64_t volume, bool dynamic) const {
    const std::string key = key_of(volume, dynamic);
    const auto q = times_.find(key + "quantize"), d = times_.find(key + "dequantize");
    if (!q || !d) return std::nullopt;
    return std::pair{*q, *d};
  }

  void measure(int64_t volume, bool dynamic) {
    const std::string key = key_of(volume, dynamic);
    const auto measured = time_conversion(volume, dynamic, options_, times_);
    times_.put(key + "quantize", measured.first);
    times_.put(key + "dequantize", measured.second);
  }

 private:
  std::string key_of(int64_t volume, bool dynamic) const {
    return fmt::format("conversion {} {} {} ", volume, dynamic ? "dynamic" : "static", place_);
  }

  const CompileOptions& options_;
  TimingCache& times_;
  const std::string& place_;
};

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

/// Measures what is not known yet.
void measure_unknown(const std::set<std::pair<int64_t, bool>>& wanted, ConversionClock& clock,
                     const ProgressFunction& progress) {
  std::vector<std::pair<int64_t, bool>> unknown;
  for (const auto& [volume, dynamic] : wanted) {
    if (!clock.find(volume, dynamic)) unknown.emplace_back(volume, dynamic);
  }
  for (size_t i = 0; i < unknown.size(); ++i) {
    clock.measure(unknown[i].first, unknown[i].second);
    if (progress) progress("time conversions", int64_t(i) + 1, int64_t(unknown.size()));
  }
}

}  // namespace

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

std::vector<ConversionTimes> measure_conversions(const LabelledGraph& graph,
                                                 const std::vector<int64_t>& volumes,
                                                 const CompileOptions& options,
                                                 const std::string& place, TimingCache& times) {
  const bool dynamic = std::any_of(graph.labels.begin(), graph.labels.end(),
                                   [](const GroupLabel& l) { return is_dynamic(l.scheme); });
  const std::set<int32_t> tensors = converted_tensors(graph);
  std::set<std::pair<int64_t, bool>> wanted;
  for (const int32_t t : tensors) {
    const int64_t volume = volumes[size_t(t)];
    if (volume == 0) continue;
    wanted.emplace(volume, false);
    if (dynamic) wanted.emplace(volume, true);
  }
  ConversionClock clock(options, times, place);
  measure_unknown(wanted, clock, options.build.progress);
  std::vector<ConversionTimes> conversions(volumes.size());
  for (const int32_t t : tensors) {
    ConversionTimes& of = conversions[size_t(t)];
    const int64_t volume = volumes[size_t(t)];
    if (volume == 0) continue;
    std::tie(of.quantize, of.dequantize) = *clock.find(volume, false);
    if (dynamic) of.dynamic_quantize = clock.find(volume, true)->first;
    // Both are one pass over memory; a float16 tensor has half the bytes of a float32 one.
    of.to_half = of.from_half = of.dequantize;
    of.half_to_int8 = of.quantize;
    of.int8_to_half = of.dequantize;
  }
  return conversions;
}

}  // namespace octile
