// Is a calibration cache this network's, these samples' and this method's? Every reader of caches
// asks here.
#include <set>

#include "base/error.h"
#include "calibrate/driver.h"
#include "calibrate/warnings.h"

namespace octile {
namespace {

struct Comparison {
  const std::string& origin;

  void same(std::string_view cached, std::string_view wanted, std::string_view what) const {
    check(cached == wanted, ErrorCode::kInvalidArgument,
          "{}: the cache was made for another {} ({}, here {}); delete it to calibrate again, name "
          "another, or restore what it was made for",
          origin, what, cached, wanted);
  }
};

std::string_view shown(std::string_view preprocess) {
  return preprocess.empty() ? "none" : preprocess;
}

/// TensorRT's caches hold no digests: all that can be compared is the names.
void compare_names(CalibrationTable& table, const Network& network, const std::string& origin) {
  std::vector<std::string> missing, foreign;
  std::set<std::string> known;
  for (const TensorId id : observed_tensors(network)) {
    const std::string& name = network.name(id);
    known.insert(name);
    if (table.find(name) == nullptr) missing.push_back(name);
  }
  for (const auto& [name, entry] : table.entries) {
    if (!known.contains(name)) foreign.push_back(name);
  }
  if (missing.empty() && foreign.empty()) return;
  std::string text = origin + ": the calibration cache and the network name different tensors: ";
  if (!missing.empty()) {
    text += fmt::format("{} of the network have no range ({}){}", missing.size(),
                        name_list(missing), foreign.empty() ? "" : "; ");
  }
  if (!foreign.empty()) {
    text += fmt::format("{} of the cache are not in the network ({})", foreign.size(),
                        name_list(foreign));
  }
  table.warnings.push_back(text + ". Is it this model's cache? It holds no digest to tell");
}

}  // namespace

void check_cache(CalibrationTable& table, const Network& network, const CacheRequirements& wanted,
                 const std::string& origin) {
  if (table.model_digest.empty()) return compare_names(table, network, origin);
  const Comparison compare{origin};
  compare.same(table.model_digest, network.digest(), "model");
  if (wanted.method) compare.same(table.method, name_of(*wanted.method), "method");
  if (wanted.percentile) {
    compare.same(fmt::format("{}", table.percentile), fmt::format("{}", *wanted.percentile),
                 "percentile");
  }
  if (wanted.reproducible) compare.same(table.path, "reproducible", "float path");
  if (wanted.preprocess) {
    compare.same(shown(table.preprocess), shown(*wanted.preprocess), "preprocessing");
  }
  if (!wanted.data_digest.empty() && !table.data_digest.empty()) {
    compare.same(table.data_digest, wanted.data_digest, "set of samples");
  }
}

}  // namespace octile
