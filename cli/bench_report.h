// What `octile bench` found out about one plan, as text and as JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "octile/plan.h"

namespace octile::cli {

struct LayerTime {
  LayerInfo layer;
  std::string tactic;  // the one that ran
  double us = 0.0, percent = 0.0;
};

/// One plan's runs.
struct BenchReport {
  std::string file, isa, device;
  int64_t batch = 1;
  int threads = 1, profile = 0;
  std::vector<double> ms;     // of every run, sorted
  std::vector<double> turns;  // medians, where several plans took turns
  std::vector<LayerTime> layers;
};

/// REQUIRES: `sorted` holds something.
double percentile(const std::vector<double>& sorted, double p);

std::string text_of(const BenchReport& report);
/// How many times the first one's median the others take, turn by turn; the median of that.
std::string comparison_of(const std::vector<BenchReport>& reports);
nlohmann::json json_of(const BenchReport& report);

}  // namespace octile::cli
