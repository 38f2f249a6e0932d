// precision_json(): a PrecisionChoice as the precision report's data. Start reading at run().
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "backend/accelerator.h"
#include "backend/backend.h"
#include "base/cpu.h"
#include "compile/weighted.h"
#include "tune/built_labels.h"
#include "tune/precision_text.h"

namespace octile {
namespace {

using Json = nlohmann::ordered_json;

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
        built_(built_labels(choice.graph, choice.candidates[choice.kept])) {
    number_entries();
  }

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
  /// Constants that the model quantized are no layers of an engine.
  void number_entries() {
    const LabelledGraph& graph = choice_.graph;
    int count = 0;
    for (const Group& group : graph.groups) {
      const bool shown = !is_constant_conversion(graph.network, group);
      group_entry_.push_back(shown ? count++ : -1);
    }
    count = 0;
    for (const TensorCosts& t : choice_.costs.problem.tensors) {
      const bool shown = t.producer < 0 || group_entry_[size_t(t.producer)] >= 0;
      tensor_entry_.push_back(shown ? count++ : -1);
    }
  }

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
                      {"not_compared", c.accuracy ? Json(c.accuracy->not_compared) : Json::array()},
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
    return (double(total_cost(choice_.costs.problem, point.labels)) + choice_.times.run_ns) / 1e6;
  }

  Json groups() const {
    const Network& network = choice_.graph.network;
    Json list = Json::array();
    for (size_t g = 0; g < choice_.graph.groups.size(); ++g) {
      if (group_entry_[g] < 0) continue;
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
                   {"label", name_of(precision_of(labels_[g]))},
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
    if (found == choice_.costs.tensors.end()) return -1;
    return tensor_entry_[size_t(found - choice_.costs.tensors.begin())];
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
      if (tensor_entry_[k] < 0) continue;
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
      std::vector<int> readers;
      for (const int g : costs.consumers) readers.push_back(group_entry_[size_t(g)]);
      list.push_back(
          {{"name", choice_.graph.network.name(t)},
           {"shape", choice_.graph.network.shape(t).to_vector()},
           {"precision", copied && kept ? "both"
                         : copied       ? "int8"
                                        : "float32"},
           {"producer", costs.producer < 0 ? -1 : group_entry_[size_t(costs.producer)]},
           {"consumers", readers},
           {"quantize_us", choice_.times.conversions[size_t(t.index)].quantize / 1e3},
           {"dequantize_us", choice_.times.conversions[size_t(t.index)].dequantize / 1e3}});
    }
    return list;
  }

  const PrecisionChoice& choice_;
  const BuildOptions& build_;
  const PrecisionGoal& goal_;
  const std::vector<Label>& labels_;
  const std::vector<Label> built_;               // by group: what its steps compute in
  std::vector<int> group_entry_, tensor_entry_;  // in the JSON's lists; −1: left out
};

}  // namespace

std::string precision_json(const PrecisionChoice& choice, const BuildOptions& build,
                           const PrecisionGoal& goal) {
  return Writer(choice, build, goal).run().dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace octile
