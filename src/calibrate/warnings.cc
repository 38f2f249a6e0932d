// See warnings.h. One row a kind.
#include "calibrate/warnings.h"

#include <fmt/format.h>

#include <algorithm>

namespace octile {
namespace {

constexpr size_t kNamesShown = 6;

struct Kind {
  bool (*holds)(const Histogram& h);
  const char* message;  // {0} how many tensors, {1} their names
};

constexpr Kind kKinds[] = {
    {[](const Histogram& h) { return h.nan > 0; },
     "{0} tensor(s) hold NaN: {1}; these values are left out of the range. Check the network and "
     "the samples"},
    {[](const Histogram& h) { return h.infinite > 0; },
     "{0} tensor(s) hold infinities: {1}; these values are left out of the range. Check the "
     "network "
     "and the samples"},
    {[](const Histogram& h) { return h.finite == 0; },
     "{0} tensor(s) have no finite value: {1}; their range is 0 and their scale 1. Set a range by "
     "hand or keep their layers in float"},
    {[](const Histogram& h) { return h.finite > 0 && h.min == 0.0f && h.max == 0.0f; },
     "{0} tensor(s) are zero in every sample: {1}; their scale is 1. Calibrate with samples that "
     "reach them, or set a range by hand"},
    {[](const Histogram& h) { return h.finite > 0 && h.min == h.max && h.max != 0.0f; },
     "{0} tensor(s) hold one value in every sample: {1}; their range is that value. Calibrate with "
     "more samples, or set a range by hand"},
};

constexpr double kClippedShare = 0.01;

/// Values of one sign in bins that lie wholly beyond `end` ≥ 0.
uint64_t beyond(const std::vector<uint64_t>& bins, double width, double end) {
  uint64_t count = 0;
  for (size_t b = bins.size(); b-- > 0 && static_cast<double>(b) * width >= end;) count += bins[b];
  return count;
}

/// At least so many of the values does the range clip, and so many the threshold: the larger.
uint64_t clipped(const Histogram& h, const CalibrationTable::Entry& entry) {
  const double width = static_cast<double>(h.abs_max()) / Histogram::kBins;
  const auto both = [&](double low, double high) {
    return beyond(h.negative, width, low) + beyond(h.positive, width, high);
  };
  const double t = entry.threshold;
  return std::max(both(t, t), both(std::max(0.0, -static_cast<double>(entry.range.min)),
                                   std::max(0.0, static_cast<double>(entry.range.max))));
}

}  // namespace

std::string name_list(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kNamesShown; ++i) {
    text += fmt::format("{}'{}'", i == 0 ? "" : ", ", names[i]);
  }
  if (names.size() > kNamesShown) text += fmt::format(" and {} more", names.size() - kNamesShown);
  return text;
}

std::vector<std::string> degenerate_warnings(const CalibrationData& data) {
  std::vector<std::string> warnings;
  for (const Kind& kind : kKinds) {
    std::vector<std::string> names;
    for (const auto& [name, histogram] : data.histograms) {
      if (kind.holds(histogram)) names.push_back(name);
    }
    if (!names.empty()) {
      warnings.push_back(fmt::format(fmt::runtime(kind.message), names.size(), name_list(names)));
    }
  }
  return warnings;
}

std::string clipping_warning(const CalibrationData& data, const CalibrationTable& table) {
  if (table.method == name_of(CalibrationMethod::kPercentile)) return "";
  std::vector<std::string> names;
  for (const auto& [name, histogram] : data.histograms) {
    const CalibrationTable::Entry* entry = table.find(name);
    // Without a distribution, or with one value, nothing is clipped.
    if (entry == nullptr || histogram.abs_max() == 0.0f || histogram.min == histogram.max) continue;
    const auto count = static_cast<double>(clipped(histogram, *entry));
    if (count > kClippedShare * static_cast<double>(histogram.finite)) names.push_back(name);
  }
  if (names.empty()) return "";
  return fmt::format(
      "{} tensor(s) lose more than 1 % of their values to clipping by '{}': {}; compare the "
      "accuracy with methods minmax and mse, or set their ranges by hand",
      names.size(), table.method, name_list(names));
}

}  // namespace octile
