// See warnings.h. One row a kind.
#include "calibrate/warnings.h"

#include <fmt/format.h>

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

}  // namespace octile
