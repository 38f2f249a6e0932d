// --max-loss, --min-sqnr, --evaluate and --report: what a build that measures keeps to, and shows.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "metric_flags.h"
#include "model_flags.h"

namespace octile::cli {

struct GoalFlags {
  std::string int8_layers = "where-it-pays", objective = "latency";
  std::string max_loss, min_sqnr, evaluate, report;
  int64_t noise_samples = 4;
  MetricFlags metric;
  void add(CLI::App& command);
  /// Flags that do not fit each other, or `int8` and `calibration`, are a usage error.
  void check(bool int8, bool chooses, const CalibrationFlags& calibration) const;
  void set(BuildOptions& options) const;
  bool evaluates() const { return !evaluate.empty() || !report.empty() || has_metric() || goal(); }
  bool has_metric() const {
    return command->count("--metric") > 0 || command->count("--labels") > 0;
  }
  bool goal() const { return !max_loss.empty() || !min_sqnr.empty(); }
  const CLI::App* command = nullptr;
};

/// A goal with what it needs; `network` is the float one, and must outlive it. Made before a long
/// calibration, so that data or labels that are not there are told at once.
class Goal {
 public:
  Goal(const Session& session, const GoalFlags& flags, const CalibrationFlags& calibration,
       const Network& network);
  /// The goal, with samples to prepare as the plan says.
  const PrecisionGoal& prepared(const Preprocess& preprocess);
  /// Samples of the last evaluation; −1: none.
  int64_t evaluated() const { return evaluated_; }

 private:
  Accuracy accuracy_of(const Plan& plan);
  const Session& session_;
  const GoalFlags& flags_;
  const Network& network_;
  std::string data_;
  DataOptions data_options_;
  std::unique_ptr<BatchSource> samples_;
  PrecisionGoal goal_;
  int64_t evaluated_ = -1;
};

}  // namespace octile::cli
