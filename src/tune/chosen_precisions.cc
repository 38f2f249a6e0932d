// See chosen_precisions.h; and what an earlier build chose, read back from its plan, whose text
// comes from a file: anything may stand in it.
#include "tune/chosen_precisions.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "tune/precision_graph.h"

namespace octile {
namespace {

using PlanJson = nlohmann::json;

/// Whether the network has one of a group's layers, whose names are joined by " + ".
bool has_layer_of(const std::string& group, const Network& network) {
  if (network.find_layer(group)) return true;
  constexpr std::string_view kBetween = " + ";
  for (size_t at = 0; at < group.size();) {
    const size_t end = std::min(group.find(kBetween, at), group.size());
    if (network.find_layer(group.substr(at, end - at))) return true;
    at = end + kBetween.size();
  }
  return false;
}

void check_allowed(const std::string& group, Precision precision, const BuildOptions& build) {
  check(build.int8 || precision != Precision::kInt8, ErrorCode::kInvalidArgument,
        "the earlier choice has '{}' in int8, but BuildOptions::int8 is false: set it (--int8)",
        group);
  check(build.fp16 || precision != Precision::kFloat16, ErrorCode::kInvalidArgument,
        "the earlier choice has '{}' in float16, but BuildOptions::fp16 is false: set it (--fp16)",
        group);
}

/// A part of the warning, "" without names.
std::string warning_part(const std::string& what, const std::vector<std::string>& names) {
  constexpr size_t kShown = 6;
  if (names.empty()) return "";
  std::string list = fmt::format("\n{} {}:", names.size(), what);
  for (size_t i = 0; i < std::min(kShown, names.size()); ++i) list += "\n  " + names[i];
  return list + (names.size() > kShown ? "\n  …" : "");
}

/// What of the choice the network's groups do not take, as text; "" where all fits.
std::string misfits(const LabelledGraph& graph, const std::map<std::string, Precision>& chosen) {
  std::set<std::string> known;
  std::vector<std::string> unknown, unnamed, refused;
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    const std::string name = name_of(graph.network, graph.groups[g]);
    known.insert(name);
    const auto found = chosen.find(name);
    const GroupLabel& label = graph.labels[g];
    if (found == chosen.end()) {
      if (!is_constant_conversion(graph.network, graph.groups[g])) unnamed.push_back(name);
    } else if (found->second == Precision::kInt8 && !label.can_int8 &&
               label.wanted == Precision::kAuto) {
      refused.push_back(name + (label.note.empty() ? "" : ": " + label.note));
    }
  }
  for (const auto& [name, precision] : chosen) {
    if (!known.contains(name)) unknown.push_back(name);
  }
  check(unknown.size() < chosen.size(), ErrorCode::kInvalidArgument,
        "network '{}' has none of the groups of the earlier choice ('{}' is one): it is another "
        "model's, or was made with other passes",
        graph.network.name(), chosen.begin()->first);
  return warning_part("groups of the choice are not the network's", unknown) +
         warning_part("groups of the network have no choice, and run in float", unnamed) +
         warning_part("groups cannot run in int8 here", refused);
}

}  // namespace

std::map<std::string, Precision> chosen_precisions(const Plan& plan, const Network& network) {
  check(!plan.precision().empty(), ErrorCode::kInvalidArgument,
        "plan '{}' was built without measuring, so that it holds no choice", plan.name());
  std::map<std::string, Precision> chosen;
  bool fits = false;
  try {
    const PlanJson measured = PlanJson::parse(plan.precision());
    for (const PlanJson& group : measured.at("groups")) {
      const auto name = group.at("name").get<std::string>();
      chosen[name] = precision_from_name(group.at("label").get<std::string>());
      fits = fits || has_layer_of(name, network);
    }
  } catch (const PlanJson::exception&) {
    fail(ErrorCode::kInvalidFile, "plan '{}': its measurements are unreadable", plan.name());
  }
  check(fits, ErrorCode::kInvalidArgument, "none of the layers of plan '{}' is one of network '{}'",
        plan.name(), network.name());
  return chosen;
}

Labelling given_labelling(const Network& network, const CalibrationTable* table,
                          const CompileOptions& options, QdqStyle style) {
  const std::map<std::string, Precision>& chosen = options.build.group_precision;
  CompileOptions labelled = options;
  labelled.build.log = nullptr;
  labelled.labelling.kind = Labelling::Kind::kGiven;
  for (const auto& [name, precision] : chosen) {
    check_allowed(name, precision, options.build);
    labelled.labelling.given[name] = {
        precision, precision == Precision::kInt8
                       ? ""
                       : fmt::format("{} was chosen by an earlier build", name_of(precision))};
  }
  const std::string text = misfits(label_graph(network, table, labelled, style), chosen);
  if (!text.empty() && options.build.log) {
    options.build.log(LogLevel::kWarning,
                      "the earlier choice of precisions does not fit the network:" + text);
  }
  return labelled.labelling;
}

}  // namespace octile
