// What an earlier build chose, read back from its plan. The text comes from a file: anything may
// stand in it.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "octile/builder.h"

namespace octile {
namespace {

using PlanJson = nlohmann::json;

/// The first of a group's layers (its name joins them by " + ") that the network has; "": none. A
/// request on one layer is one on the group, and a request by the user for that layer replaces it.
std::string layer_of(const std::string& group, const Network& network) {
  if (network.find_layer(group)) return group;
  constexpr std::string_view kBetween = " + ";
  for (size_t at = 0; at < group.size();) {
    const size_t end = std::min(group.find(kBetween, at), group.size());
    std::string name = group.substr(at, end - at);
    if (network.find_layer(name)) return name;
    at = end + kBetween.size();
  }
  return "";
}

}  // namespace

std::map<std::string, Precision> chosen_precisions(const Plan& plan, const Network& network) {
  check(!plan.precision().empty(), ErrorCode::kInvalidArgument,
        "plan '{}' was built without measuring, so that it holds no choice", plan.name());
  std::map<std::string, Precision> chosen;
  try {
    const PlanJson measured = PlanJson::parse(plan.precision());
    for (const PlanJson& group : measured.at("groups")) {
      const Precision precision = precision_from_name(group.at("precision").get<std::string>());
      const bool by_model = precision == Precision::kInt8 && group.at("int8_us").is_null();
      if (by_model) continue;  // nobody can ask for what the model quantized itself
      const std::string layer = layer_of(group.at("name").get<std::string>(), network);
      if (!layer.empty()) chosen[layer] = precision;
    }
  } catch (const PlanJson::exception&) {
    fail(ErrorCode::kInvalidFile, "plan '{}': its measurements are unreadable", plan.name());
  }
  check(!chosen.empty(), ErrorCode::kInvalidArgument,
        "none of the layers of plan '{}' is one of network '{}'", plan.name(), network.name());
  return chosen;
}

}  // namespace octile
