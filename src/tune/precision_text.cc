// See precision_text.h.
#include "tune/precision_text.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "backend/accelerator.h"
#include "backend/backend.h"
#include "base/cpu.h"
#include "compile/weighted.h"

namespace octile {
namespace {

using Json = nlohmann::ordered_json;

std::string time_text(double ns) {
  return ns < 1e5 ? fmt::format("{:.3g} µs", ns / 1e3) : fmt::format("{:.3g} ms", ns / 1e6);
}

/// "64×112×112": a sample's extents.
std::string extents(const Shape& shape) {
  std::string text;
  for (int axis = 1; axis < shape.rank(); ++axis) {
    text += (text.empty() ? "" : "×") + (shape[axis] < 0 ? "?" : std::to_string(shape[axis]));
  }
  return text.empty() ? "1" : text;
}

double decibels(double noise) {
  return noise > 0.0 ? -10.0 * std::log10(noise) : std::numeric_limits<double>::infinity();
}

std::string why_float(const PrecisionChoice& choice, const GroupTimes& times,
                      const ConversionCosts& conversions, size_t g) {
  const double saves = times.float32 - *times.int8,
               cost = conversions.quantize + conversions.dequantize;
  if (saves <= 0.01 * times.float32) {
    return fmt::format("INT8 saves nothing: {} in INT8, {} in float", time_text(*times.int8),
                       time_text(times.float32));
  }
  const std::string gain = fmt::format("INT8 saves {}", time_text(saves));
  if (cost >= saves - 0.01 * times.float32 && conversions.dearest.valid()) {
    return fmt::format("{}, but conversions cost {}: of a tensor of {} above all", gain,
                       time_text(cost), extents(choice.graph.network.shape(conversions.dearest)));
  }
  const bool single =
      choice.candidates.size() > 1 && choice.candidates[1].labels[g] != Label::kInt8;
  if (!choice.has_goal && single) {
    return fmt::format(
        "{}, but without a goal of accuracy layers that do not stand between INT8 ones stay float",
        gain);
  }
  if (choice.has_goal && !choice.noise.empty()) {
    return fmt::format("{}, but adds noise (SQNR {:.1f} dB at the outputs)", gain,
                       decibels(choice.noise[g]));
  }
  return fmt::format("{}, but its neighbours in float would need conversions", gain);
}

Json number(const std::optional<double>& value, double scale = 1.0) {
  return value && std::isfinite(*value) ? Json(*value * scale) : Json(nullptr);
}

/// Counts of 64 equal bins between the least and the largest weight.
Json weights_json(const LabelledGraph& graph, const Group& group) {
  constexpr int kBins = 64;
  if (!is_weighted(graph.network, group.core)) return nullptr;
  const auto values = constant_float(graph.network, graph.network.inputs(group.core)[1]);
  if (!values || values->volume() == 0) return nullptr;
  const float* begin = values->as<float>();
  const auto [lo, hi] = std::minmax_element(begin, begin + values->volume());
  if (!std::isfinite(*lo) || !std::isfinite(*hi)) return nullptr;
  std::vector<int64_t> counts(kBins, 0);
  const double width = std::max(double(*hi) - double(*lo), 1e-30) / kBins;
  for (int64_t i = 0; i < values->volume(); ++i) {
    ++counts[size_t(std::clamp(int((double(begin[i]) - double(*lo)) / width), 0, kBins - 1))];
  }
  return {{"lo", *lo}, {"hi", *hi}, {"counts", counts}};
}

/// What each group's steps compute in, which is its label but where the model quantized the group
/// itself, or where lowering had to compute in float (LayerInfo::note says why).
std::vector<Label> built_labels(const LabelledGraph& graph, const Candidate& candidate) {
  std::map<std::string, bool> in_int8;  // by step name
  const PlanData& plan = *candidate.plan;
  for (const PlanStep& step : plan.steps) {
    if (step.inputs.empty() || std::holds_alternative<ReorderStep>(step.step) ||
        std::holds_alternative<ViewStep>(step.step)) {
      continue;
    }
    in_int8[step.name] |= is_8bit(plan.tensors[size_t(step.inputs[0])]);
  }
  std::vector<Label> labels = candidate.labels;
  for (size_t g = 0; g < labels.size(); ++g) {
    const bool converts =
        std::holds_alternative<Quantize>(graph.network.op(graph.groups[g].core)) ||
        std::holds_alternative<Dequantize>(graph.network.op(graph.groups[g].core));
    const auto found = in_int8.find(name_of(graph.network, graph.groups[g]));
    if (converts || found == in_int8.end()) continue;
    if (found->second) labels[g] = Label::kInt8;
    if (!found->second && labels[g] == Label::kInt8) labels[g] = Label::kFloat;
  }
  return labels;
}

std::ptrdiff_t int8_count(const std::vector<Label>& labels) {
  return std::count(labels.begin(), labels.end(), Label::kInt8);
}

/// Why group g of the kept engine is what it is. The assignment's reasons, but for an engine that
/// was quicker as a whole than what was assigned.
std::string reason_in_report(const PrecisionChoice& choice, size_t g) {
  const Candidate &kept = choice.candidates[choice.kept], &assigned = choice.candidates.back();
  if (kept.labels[g] == assigned.labels[g]) return reason_of(choice, kept.labels, g);
  return choice.kept == 0 ? "the float engine is quicker as a whole"
                          : "the engine all in INT8 is quicker as a whole";
}

class Writer {
 public:
  Writer(const PrecisionChoice& choice, const BuildOptions& build, const PrecisionGoal& goal)
      : choice_(choice),
        build_(build),
        goal_(goal),
        labels_(choice.candidates[choice.kept].labels),
        built_(built_labels(choice.graph, choice.candidates[choice.kept])) {}

  Json run() const {
    return {{"format", 1},
            {"octile", version()},
            {"model", choice_.graph.network.name()},
            {"device", device()},
            {"objective", name_of(build_.objective)},
            {"scheme", name_of(build_.scheme)},
            {"inputs", inputs()},
            {"metric",
             goal_.metric.empty() ? Json(nullptr) : Json{{"name", goal_.metric}, {"unit", "%"}}},
            {"asked",
             {{"max_loss", number(goal_.max_loss)},
              {"min_sqnr_db", number(goal_.min_sqnr_db)},
              {"lambda", choice_.lambda}}},
            {"engines", engines()},
            {"predicted_ms", choice_.predicted_ns / 1e6},
            {"explanation", choice_.explanation},
            {"pareto", pareto()},
            {"groups", groups()},
            {"tensors", tensors()}};
  }

 private:
  std::string device() const {
    const DeviceName where = device_from_name(build_.device);
    const Device device = where.backend->open(build_.isa, build_.threads, where.ordinal);
    return device.accelerator != nullptr
               ? fmt::format("{}, {}", device.accelerator->name(), name_of(device.isa))
               : fmt::format("{}, {}, {} thread{}", cpu_name(), name_of(device.isa), device.threads,
                             device.threads == 1 ? "" : "s");
  }

  Json inputs() const {
    const PlanData& plan = *choice_.candidates[choice_.kept].plan;
    Json json = Json::object();
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      json[plan.tensors[size_t(plan.inputs[i])].name] = plan.profiles[0].inputs[i].opt.to_vector();
    }
    return json;
  }

  Json engines() const {
    Json list = Json::array();
    for (size_t i = 0; i < choice_.candidates.size(); ++i) {
      const Candidate& c = choice_.candidates[i];
      list.push_back({{"name", c.name},
                      {"ms", c.time.ns / 1e6},
                      {"spread", c.time.spread},
                      {"bytes", serialize(*c.plan).size()},
                      {"int8", int8_count(built_labels(choice_.graph, c))},
                      {"metric", c.accuracy ? number(c.accuracy->metric) : Json(nullptr)},
                      {"sqnr_db", c.accuracy ? number(c.accuracy->sqnr_db) : Json(nullptr)},
                      {"kept", i == choice_.kept}});
    }
    return list;
  }

  Json pareto() const {
    Json list = Json::array();
    for (const ParetoPoint& p : choice_.pareto) {
      list.push_back({{"lambda", p.lambda},
                      {"ms", predicted_ms(p)},
                      {"sqnr_db", number(decibels(p.noise))},
                      {"int8", int8_count(p.labels)},
                      {"chosen", p.labels == labels_}});
    }
    return list;
  }

  double predicted_ms(const ParetoPoint& point) const {
    return double(total_cost(choice_.costs.problem, point.labels)) / 1e6;
  }

  Json groups() const {
    const Network& network = choice_.graph.network;
    Json list = Json::array();
    for (size_t g = 0; g < choice_.graph.groups.size(); ++g) {
      const Group& group = choice_.graph.groups[g];
      const GroupTimes& times = choice_.times.groups[g];
      const bool can = choice_.graph.labels[g].can_int8;
      const ConversionCosts cost =
          can ? conversions_at(choice_.costs.problem, choice_.costs.tensors, labels_, int(g))
              : ConversionCosts{};
      Json json = {{"name", name_of(network, group)},
                   {"op", name_of(network.op(group.core))},
                   {"shape", network.shape(output_of(network, group)).to_vector()},
                   {"precision", name_of(precision_of(built_[g]))},
                   {"float_us", times.float32 / 1e3},
                   {"half_us", number(times.half, 1e-3)},
                   {"int8_us", number(can ? times.int8 : std::nullopt, 1e-3)},
                   {"quantize_us", cost.quantize / 1e3},
                   {"dequantize_us", cost.dequantize / 1e3},
                   {"gain_us", nullptr},
                   {"spread", times.spread},
                   {"reason", can ? reason_in_report(choice_, g) : ""},
                   {"refusal", can ? "" : choice_.graph.labels[g].note},
                   {"sqnr_db", nullptr},
                   {"macs", macs(group)},
                   {"weights", weights_json(choice_.graph, group)},
                   {"inputs", indices(operands_of(network, group))},
                   {"output", index_of(output_of(network, group))}};
      if (can && times.int8) {
        json["gain_us"] = (times.float32 - *times.int8 - cost.quantize - cost.dequantize) / 1e3;
      }
      if (!choice_.noise.empty() && can) json["sqnr_db"] = number(decibels(choice_.noise[g]));
      list.push_back(std::move(json));
    }
    return list;
  }

  /// Multiplications of one run, where the group has weights.
  Json macs(const Group& group) const {
    const Network& network = choice_.graph.network;
    if (!is_weighted(network, group.core)) return nullptr;
    const int64_t weights = weight_source(network, group.core)->value->volume(),
                  channels = output_channels(network, group.core),
                  made = choice_.times.volumes[size_t(network.output(group.core).index)];
    // A deconvolution multiplies each input by the whole kernel.
    if (std::holds_alternative<Deconvolution>(network.op(group.core)) || made == 0) return nullptr;
    return made * (weights / std::max<int64_t>(channels, 1));
  }

  int index_of(TensorId t) const {
    const auto found = std::find(choice_.costs.tensors.begin(), choice_.costs.tensors.end(), t);
    return found == choice_.costs.tensors.end() ? -1 : int(found - choice_.costs.tensors.begin());
  }

  Json indices(const std::vector<TensorId>& tensors) const {
    Json list = Json::array();
    for (TensorId t : tensors) {
      if (const int index = index_of(t); index >= 0) list.push_back(index);
    }
    return list;
  }

  Json tensors() const {
    Json list = Json::array();
    for (size_t k = 0; k < choice_.costs.tensors.size(); ++k) {
      const TensorId t = choice_.costs.tensors[k];
      const TensorCosts& costs = choice_.costs.problem.tensors[k];
      const auto in_int8 = [&](int g) { return labels_[size_t(g)] == Label::kInt8; };
      const int64_t fused = costs.write[size_t(Label::kInt8)][size_t(Label::kFloat)];
      const bool from_int8 = costs.producer >= 0 && in_int8(costs.producer);
      const bool copied = std::any_of(costs.consumers.begin(), costs.consumers.end(), in_int8) ||
                          (from_int8 && fused == kForbidden);
      const bool kept = costs.wants_float ||
                        !std::all_of(costs.consumers.begin(), costs.consumers.end(), in_int8) ||
                        costs.producer < 0 || !in_int8(costs.producer);
      list.push_back(
          {{"name", choice_.graph.network.name(t)},
           {"shape", choice_.graph.network.shape(t).to_vector()},
           {"precision", copied && kept ? "both"
                         : copied       ? "int8"
                                        : "float32"},
           {"producer", costs.producer},
           {"consumers", costs.consumers},
           {"quantize_us", choice_.times.conversions[size_t(t.index)].quantize / 1e3},
           {"dequantize_us", choice_.times.conversions[size_t(t.index)].dequantize / 1e3}});
    }
    return list;
  }

  const PrecisionChoice& choice_;
  const BuildOptions& build_;
  const PrecisionGoal& goal_;
  const std::vector<Label>& labels_;
  const std::vector<Label> built_;  // by group: what its steps compute in
};

}  // namespace

std::string reason_of(const PrecisionChoice& choice, const std::vector<Label>& labels, size_t g) {
  const GroupLabel& label = choice.graph.labels[g];
  const GroupTimes& times = choice.times.groups[g];
  if (!label.can_int8 || !times.int8) return label.note;
  if (label.wanted == Precision::kInt8) return "int8 was asked for";
  const ConversionCosts conversions =
      conversions_at(choice.costs.problem, choice.costs.tensors, labels, int(g));
  if (labels[g] != Label::kInt8) return why_float(choice, times, conversions, g);
  const double saves = times.float32 - *times.int8,
               cost = conversions.quantize + conversions.dequantize;
  if (saves <= cost) return "in INT8 its neighbours need no conversions";
  return fmt::format("INT8 saves {}, conversions cost {}", time_text(saves), time_text(cost));
}

std::string summary_of(const PrecisionChoice& choice) {
  const auto time = [&](size_t i) { return time_text(choice.candidates[i].time.ns); };
  const Candidate& kept = choice.candidates[choice.kept];
  const auto built = int8_count(built_labels(choice.graph, kept));
  const std::string what =
      built == 0 ? std::string("INT8 pays nowhere: the engine is float")
      : int8_count(kept.labels) == 0
          ? fmt::format("INT8 pays nowhere but in the {} layers that the model quantized", built)
          : fmt::format("{} of {} layers in INT8", built, kept.labels.size());
  return fmt::format("{}. Whole engine: float {}, all INT8 {}, chosen {} (predicted {}); kept: {}",
                     what, time(0), time(1), time(2), time_text(choice.predicted_ns), kept.name);
}

std::string precision_json(const PrecisionChoice& choice, const BuildOptions& build,
                           const PrecisionGoal& goal) {
  return Writer(choice, build, goal).run().dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace octile
