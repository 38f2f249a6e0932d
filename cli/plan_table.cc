// See plan_table.h.
#include "plan_table.h"

#include <fmt/format.h>

#include "session.h"

namespace octile::cli {

PlanSummary summarize(const Plan& plan) {
  PlanSummary summary;
  for (const LayerInfo& layer : plan.layers()) {
    ++summary.steps;
    ++(layer.precision.find("int8") != std::string::npos ? summary.int8 : summary.floats);
    summary.weight_bytes += layer.weight_bytes;
  }
  return summary;
}

std::string plan_table(const Plan& plan) {
  std::vector<std::vector<std::string>> rows{
      {"#", "layer", "step", "precision", "tactic", "output", "scale", "zero", "weights", "note"}};
  int index = 0;
  for (const LayerInfo& layer : plan.layers()) {
    const bool quantized = layer.scale > 0.0f;
    rows.push_back(
        {fmt::format("{}", index++), layer.name, layer.step, layer.precision, layer.tactic,
         layer.shape.to_string(), quantized ? fmt::format("{:.6g}", layer.scale) : "",
         quantized ? fmt::format("{}", layer.zero_point) : "",
         layer.weight_bytes > 0 ? fmt::format("{}", layer.weight_bytes) : "", layer.note});
  }
  return format_table(rows);
}

nlohmann::json plan_json(const Plan& plan) {
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerInfo& layer : plan.layers()) {
    layers.push_back({{"name", layer.name},
                      {"step", layer.step},
                      {"precision", layer.precision},
                      {"tactic", layer.tactic},
                      {"output", layer.output},
                      {"shape", layer.shape.to_vector()},
                      {"scale", layer.scale},
                      {"zero_point", layer.zero_point},
                      {"weight_bytes", layer.weight_bytes},
                      {"note", layer.note}});
  }
  return {{"name", plan.name()},
          {"built_on", plan.built_on()},
          {"profiles", plan.profile_count()},
          {"preprocess",
           plan.preprocess().empty() ? nlohmann::json() : nlohmann::json::parse(plan.preprocess())},
          {"layers", layers}};
}

}  // namespace octile::cli
