// The precision report: what the plan holds, completed by histograms of the samples.
#include <fmt/chrono.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "octile/report.h"
#include "report/report_html.h"

namespace octile {
namespace {

using Json = nlohmann::ordered_json;

/// f(value, count) for every bin: of −x from far to near, then of x from near to far.
template <typename F>
void for_each_bin(const Histogram& h, F&& f) {
  const double width = double(h.bin_width());
  for (size_t i = h.negative.size(); i-- > 0;) f(-(double(i) + 0.5) * width, h.negative[i]);
  for (size_t i = 0; i < h.positive.size(); ++i) {
    f(i == 0 ? 0.0 : (double(i) + 0.5) * width, h.positive[i]);
  }
}

Json histogram_json(const Histogram& h) {
  constexpr int kShown = 128;
  const double lo = double(h.min), width = (double(h.max) - lo) / kShown;
  if (h.positive.empty() || !(width > 0.0)) return nullptr;
  std::vector<uint64_t> counts(kShown, 0);
  for_each_bin(h, [&](double x, uint64_t count) {
    counts[size_t(std::clamp(int((x - lo) / width), 0, kShown - 1))] += count;
  });
  return {{"lo", h.min}, {"hi", h.max}, {"counts", counts}};
}

/// The ends that a scheme cuts at.
std::pair<double, double> ends_of(const CalibrationTable::Entry& entry, bool affine) {
  if (affine) return {std::min(entry.range.min, 0.0f), std::max(entry.range.max, 0.0f)};
  return {-double(entry.threshold), double(entry.threshold)};
}

double clipped(const Histogram& h, std::pair<double, double> ends) {
  uint64_t outside = 0;
  for_each_bin(h, [&](double x, uint64_t count) {
    if (x < ends.first || x > ends.second) outside += count;
  });
  return h.finite > 0 ? double(outside) / double(h.finite) : 0.0;
}

/// How many of the 256 levels some value falls on. Values of a bin that is wider than a level lie
/// on all that it covers, as far as they are enough.
size_t levels_used(const Histogram& h, std::pair<double, double> ends, bool affine) {
  const double step = affine ? (ends.second - ends.first) / 255.0 : ends.second / 127.0;
  if (!(step > 0.0)) return 1;
  const double zero = affine ? std::nearbyint(-ends.first / step) : 128.0;
  const double half = double(h.bin_width()) > step ? 0.5 * double(h.bin_width()) : 0.0;
  const auto level = [&](double x) {
    return int(std::clamp(std::nearbyint(x / step) + zero, 0.0, 255.0));
  };
  std::set<int> levels;
  for_each_bin(h, [&](double x, uint64_t count) {
    const int lo = x == 0.0 ? level(x) : level(x - half), hi = x == 0.0 ? lo : level(x + half);
    for (int l = lo; l <= hi && uint64_t(l - lo) < count; ++l) levels.insert(l);
  });
  return levels.size();
}

void add_histogram(Json& tensor, const Histogram& h, const Scheme scheme,
                   const PrecisionReportOptions& options) {
  tensor["histogram"] = histogram_json(h);
  if (is_dynamic(scheme) || h.positive.empty()) return;
  tensor["thresholds"] = Json::array();
  for (const CalibrationMethod method : {CalibrationMethod::kEntropy, CalibrationMethod::kMinMax,
                                         CalibrationMethod::kPercentile, CalibrationMethod::kMse}) {
    const auto ends = ends_of(threshold(h, method, options.percentile), is_affine(scheme));
    const size_t levels = levels_used(h, ends, is_affine(scheme));
    const bool used = name_of(method) == options.method;
    tensor["thresholds"].push_back({{"method", name_of(method)},
                                    {"range", {ends.first, ends.second}},
                                    {"clipped", clipped(h, ends)},
                                    {"levels_used", levels},
                                    {"used", used}});
    if (used) tensor["levels_used"] = levels;
  }
}

/// Plan::precision() as an object of format 1; a file may hold anything.
Json measurements_of(const Plan& plan) {
  check(!plan.precision().empty(), ErrorCode::kInvalidArgument,
        "plan '{}' holds no measurements: build it with INT8 where it pays (--int8, the default) "
        "and timed tactics. Nothing is measured where no layer can be INT8 that the model did not "
        "quantize, or where the network does not run on made-up inputs",
        plan.name());
  constexpr int kDeepest =
      32;  // a build writes 6 levels; copies and dump() call themselves a level
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth < kDeepest; };
  Json json = Json::parse(plan.precision(), shallow, false);
  bool sound = json.is_object() && json["format"] == 1 && json["tensors"].is_array() &&
               json["scheme"].is_string();
  for (size_t i = 0; sound && i < json["tensors"].size(); ++i) {
    sound = json["tensors"][i].is_object() && json["tensors"][i]["name"].is_string();
  }
  try {
    if (sound) (void)scheme_from_name(json["scheme"].get<std::string>());
  } catch (const Error&) {
    sound = false;
  }
  check(sound, ErrorCode::kInvalidFile, "plan '{}': its measurements are unreadable", plan.name());
  return json;
}

}  // namespace

std::string precision_report_json(const Plan& plan, const PrecisionReportOptions& options) {
  Json json = measurements_of(plan);
  if (!options.model.empty()) json["model"] = options.model;
  if (!options.command.empty()) json["command"] = options.command;
  if (!options.method.empty()) json["method"] = options.method;
  if (json["metric"].is_object() && options.evaluated >= 0) {
    json["metric"]["samples"] = options.evaluated;
  }
  if (!json.contains("date")) {
    json["date"] = fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr)));
  }
  if (options.histograms != nullptr) {
    const Scheme scheme = scheme_from_name(json["scheme"].get<std::string>());
    for (Json& tensor : json["tensors"]) {
      const auto found = options.histograms->histograms.find(tensor["name"].get<std::string>());
      if (found != options.histograms->histograms.end()) {
        add_histogram(tensor, found->second, scheme, options);
      }
    }
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string precision_report_html(const Plan& plan, const PrecisionReportOptions& options) {
  return report_html(precision_report_json(plan, options));
}

}  // namespace octile
