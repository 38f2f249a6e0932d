// See bench_report.h.
#include "bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "session.h"

namespace octile::cli {
namespace {

double mean_of(const std::vector<double>& ms) {
  return std::accumulate(ms.begin(), ms.end(), 0.0) / double(ms.size());
}

double throughput_of(const BenchReport& r) { return 1000.0 * double(r.batch) / mean_of(r.ms); }

std::string layer_table(const std::vector<LayerTime>& times) {
  std::vector<std::vector<std::string>> rows{{"layer", "step", "precision", "tactic", "us", "%"}};
  for (const LayerTime& t : times) {
    rows.push_back({t.layer.name, t.layer.step, t.layer.precision, t.tactic,
                    fmt::format("{:.2f}", t.us), fmt::format("{:.1f}", t.percent)});
  }
  return format_table(rows);
}

nlohmann::json layer_json(const std::vector<LayerTime>& times) {
  nlohmann::json list = nlohmann::json::array();
  for (const LayerTime& t : times) {
    list.push_back({{"name", t.layer.name},
                    {"step", t.layer.step},
                    {"precision", t.layer.precision},
                    {"tactic", t.tactic},
                    {"us", t.us},
                    {"percent", t.percent}});
  }
  return list;
}

/// Both plans of a turn met the same machine, so their ratio is steadier than that of medians.
double ratio_of(const BenchReport& report, const BenchReport& first) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(report.turns.size(), first.turns.size()); ++i) {
    ratios.push_back(report.turns[i] / first.turns[i]);
  }
  std::sort(ratios.begin(), ratios.end());
  return percentile(ratios, 50);
}

}  // namespace

double percentile(const std::vector<double>& sorted, double p) {
  const auto index = size_t(std::ceil(p / 100.0 * double(sorted.size()))) - 1;
  return sorted[std::min(index, sorted.size() - 1)];
}

std::string text_of(const BenchReport& r) {
  const bool cpu = r.device == "cpu";
  std::string text = fmt::format(
      "{}: batch {}, profile {}, {}, {}, {} runs\n"
      "latency ms: min {:.4f}  p50 {:.4f}  p90 {:.4f}  p95 {:.4f}  p99 {:.4f}  max {:.4f}\n"
      "throughput: {:.1f} samples/s\n",
      r.file, r.batch, r.profile, r.isa, cpu ? fmt::format("{} threads", r.threads) : r.device,
      r.ms.size(), r.ms.front(), percentile(r.ms, 50), percentile(r.ms, 90), percentile(r.ms, 95),
      percentile(r.ms, 99), r.ms.back(), throughput_of(r));
  if (!r.layers.empty()) text += "\n" + layer_table(r.layers);
  return text;
}

std::string comparison_of(const std::vector<BenchReport>& reports) {
  std::string text =
      fmt::format("{} turns; time beside {}:\n", reports[0].turns.size(), reports[0].file);
  for (size_t i = 1; i < reports.size(); ++i) {
    text += fmt::format("  {}: {:.3f} times\n", reports[i].file, ratio_of(reports[i], reports[0]));
  }
  return text;
}

nlohmann::json json_of(const BenchReport& r) {
  nlohmann::json json = {{"file", r.file},
                         {"batch", r.batch},
                         {"threads", r.threads},
                         {"isa", r.isa},
                         {"device", r.device},
                         {"profile", r.profile},
                         {"runs", r.ms.size()},
                         {"latency_ms",
                          {{"mean", mean_of(r.ms)},
                           {"min", r.ms.front()},
                           {"p50", percentile(r.ms, 50)},
                           {"p90", percentile(r.ms, 90)},
                           {"p95", percentile(r.ms, 95)},
                           {"p99", percentile(r.ms, 99)},
                           {"max", r.ms.back()}}},
                         {"throughput_per_s", throughput_of(r)}};
  if (!r.turns.empty()) json["turns_ms"] = r.turns;
  if (!r.layers.empty()) json["layers"] = layer_json(r.layers);
  return json;
}

}  // namespace octile::cli
