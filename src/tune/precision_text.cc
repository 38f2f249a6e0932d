// See precision_text.h.
#include "tune/precision_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tune/built_labels.h"

namespace octile {
namespace {

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

std::string why_float(const PrecisionChoice& choice, const GroupTimes& times,
                      const ConversionCosts& conversions, size_t g) {
  const double saves = times.float32 - *times.int8,
               cost = conversions.quantize + conversions.dequantize;
  if (saves <= kInt8Margin * times.float32) {
    return fmt::format("INT8 saves nothing: {} in INT8, {} in float", time_text(*times.int8),
                       time_text(times.float32));
  }
  const std::string gain = fmt::format("INT8 saves {}", time_text(saves));
  if (cost >= saves - kInt8Margin * times.float32 && conversions.dearest.valid()) {
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

}  // namespace

double decibels(double noise) {
  return noise > 0.0 ? -10.0 * std::log10(noise) : std::numeric_limits<double>::infinity();
}

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
  const LabelledGraph& graph = choice.graph;
  const auto built = int8_count(built_labels(graph, kept));
  const auto layers = std::ranges::count_if(graph.groups, [&](const Group& group) {
    return !is_constant_conversion(graph.network, group);
  });
  const std::string what =
      built == 0 ? std::string("INT8 pays nowhere: the engine is float")
      : int8_count(kept.labels) == 0
          ? fmt::format("INT8 pays nowhere but in the {} layers that the model quantized", built)
          : fmt::format("{} of {} layers in INT8", built, layers);
  return fmt::format("{}. Whole engine: float {}, all INT8 {}, chosen {} (predicted {}); kept: {}",
                     what, time(0), time(1), time(2), time_text(choice.predicted_ns), kept.name);
}

}  // namespace octile
