// See plan_table.h.
#include "plan_table.h"

#include <fmt/format.h>

#include "session.h"

namespace octile::cli {
namespace {

/// The first `most` characters (UTF-8) on one line, "…" behind what is cut.
std::string one_line(const std::string& text, size_t most) {
  std::string line;
  size_t characters = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = (byte & 0xC0) == 0x80;
    if (!continues && ++characters > most) return line + "…";
    line += byte < 0x20 || byte == 0x7F ? '.' : c;
  }
  return line;
}

/// Plan::precision(); null where it is none, or not what a build wrote.
nlohmann::json measurements_of(const Plan& plan) {
  constexpr int kDeepest =
      32;  // a build writes 6 levels; copies and dump() call themselves a level
  const auto shallow = [](int depth, auto, nlohmann::json&) { return depth < kDeepest; };
  nlohmann::json json = nlohmann::json::parse(plan.precision(), shallow, false);
  const bool sound = json.is_object() && json.contains("groups") && json["groups"].is_array() &&
                     json.contains("engines") && json["engines"].is_array();
  return sound ? json : nlohmann::json();
}

std::string cell(const nlohmann::json& object, const char* key, size_t most = 120) {
  const auto found = object.find(key);
  if (found == object.end()) return "";
  if (found->is_string()) return one_line(found->get<std::string>(), most);
  return found->is_number() ? fmt::format("{:.4g}", found->get<double>()) : "";
}

/// Outputs whose SQNR is not that of all samples.
std::string not_compared(const nlohmann::json& engine) {
  const auto found = engine.find("not_compared");
  if (found == engine.end() || !found->is_array()) return "";
  std::string names;
  for (const nlohmann::json& name : *found) {
    if (!name.is_string()) continue;
    names += (names.empty() ? " (without " : ", ") + one_line(name.get<std::string>(), 120);
  }
  return names.empty() ? "" : names + ")";
}

}  // namespace

PlanSummary summarize(const Plan& plan) {
  PlanSummary summary;
  for (const LayerInfo& layer : plan.layers()) {
    ++summary.steps;
    const auto has = [&](const char* type) {
      return layer.precision.find(type) != std::string::npos;
    };
    ++(has("int8") ? summary.int8 : has("float16") ? summary.halves : summary.floats);
    summary.weight_bytes += layer.weight_bytes;
  }
  return summary;
}

std::string precision_counts(const PlanSummary& summary) {
  const std::string halves = summary.halves > 0 ? fmt::format("{} float16, ", summary.halves) : "";
  return fmt::format("{} int8, {}{} float", summary.int8, halves, summary.floats);
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

std::string metadata_lines(const Plan& plan) {
  constexpr size_t kMost = 100;
  std::string lines;
  for (const auto& [key, value] : plan.metadata()) {
    lines += fmt::format("{}: {}\n", one_line(key, kMost), one_line(value, kMost));
  }
  return lines;
}

std::string precision_table(const Plan& plan) {
  const nlohmann::json measured = measurements_of(plan);
  if (measured.is_null()) return "";
  std::vector<std::vector<std::string>> rows{{"layers", "precision", "float us", "int8 us",
                                              "quantize", "dequantize", "gain us", "SQNR dB",
                                              "why"}};
  for (const nlohmann::json& group : measured["groups"]) {
    const std::string reason = cell(group, "reason");
    rows.push_back({cell(group, "name"), cell(group, "precision"), cell(group, "float_us"),
                    cell(group, "int8_us"), cell(group, "quantize_us"),
                    cell(group, "dequantize_us"), cell(group, "gain_us"), cell(group, "sqnr_db"),
                    reason.empty() ? cell(group, "refusal") : reason});
  }
  std::string text = format_table(rows);
  for (const nlohmann::json& engine : measured["engines"]) {
    const auto kept = engine.find("kept");
    const bool is_kept = kept != engine.end() && kept->is_boolean() && kept->get<bool>();
    text += fmt::format(
        "{}: {} ms, {} layers in INT8{}{}{}\n", cell(engine, "name"), cell(engine, "ms"),
        cell(engine, "int8"),
        cell(engine, "sqnr_db").empty() ? "" : fmt::format(", SQNR {} dB", cell(engine, "sqnr_db")),
        not_compared(engine), is_kept ? ", kept" : "");
  }
  text += fmt::format("predicted {} ms", cell(measured, "predicted_ms"));
  const std::string explanation = cell(measured, "explanation", 1000);
  return text + (explanation.empty() ? "\n" : "; " + explanation + "\n");
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
          {"metadata", plan.metadata()},
          {"precision", measurements_of(plan)},
          {"layers", layers}};
}

}  // namespace octile::cli
