// See goal_flags.h.
#include "goal_flags.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "octile/report.h"
#include "tally.h"

namespace octile::cli {
namespace {

/// "0.3pt" or "0.3" → 0.3. A usage error of `flag` for anything else, and below 0.
std::optional<double> quantity(const std::string& flag, std::string text, const std::string& unit) {
  if (text.empty()) return std::nullopt;
  const std::string given = text;
  if (text.ends_with(unit)) text.resize(text.size() - unit.size());
  double value = -1.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0.0) ||
      std::isinf(value)) {
    throw CLI::ValidationError(flag,
                               fmt::format("'{}' is no number of {}: for example 0.3{}", given,
                                           unit == "pt" ? "points (pt)" : "decibels (dB)", unit));
  }
  return value;
}

}  // namespace

void GoalFlags::add(CLI::App& app) {
  command = &app;
  app.add_option("--int8-layers", int8_layers,
                 "where-it-pays (measured on this device; needs --tactics timed) or all")
      ->check(CLI::IsMember({"where-it-pays", "all"}))
      ->capture_default_str();
  app.add_option("--objective", objective,
                 "What INT8 has to pay in: latency, throughput (every core runs a batch of its\n"
                 "own) or size")
      ->check(CLI::IsMember({"latency", "throughput", "size"}))
      ->capture_default_str();
  app.add_option("--max-loss", max_loss,
                 "Points of the metric that INT8 may cost, for example 0.3pt: the quickest engine\n"
                 "that keeps to it on --evaluate");
  app.add_option(
      "--min-sqnr", min_sqnr,
      "Least SQNR of the outputs, for example 30dB: the quickest engine that keeps to it");
  app.add_option("--evaluate", evaluate,
                 "Samples for --max-loss and --min-sqnr (default: those of --calibrate)");
  app.add_option("--noise-samples", noise_samples,
                 "Samples on which each layer's noise is measured, for goals and reports")
      ->check(at_least(1))
      ->capture_default_str();
  metric.add(app);
  app.add_option("--report", report, "Write what was measured and chosen to this HTML file");
}

void GoalFlags::check(bool int8, bool chooses, const CalibrationFlags& calibration) const {
  const auto given = [&](const char* flag) { return command->count(flag) > 0; };
  const bool measures = chooses && int8_layers == "where-it-pays";
  for (const char* flag : {"--max-loss", "--min-sqnr", "--evaluate", "--report", "--metric",
                           "--labels", "--objective", "--noise-samples"}) {
    if (!int8 && given(flag)) {
      throw CLI::ValidationError(flag, "needs --int8: without it the engine is a float one");
    }
    if (!measures && given(flag)) {
      throw CLI::ValidationError(
          flag,
          "rests on measurements: it needs --tactics timed and --int8-layers where-it-pays, "
          "and no --precision-from");
    }
  }
  if (!int8 && given("--int8-layers")) {
    throw CLI::ValidationError("--int8-layers", "needs --int8");
  }
  if (!chooses && given("--int8-layers") && int8_layers == "where-it-pays") {
    throw CLI::ValidationError(
        "--int8-layers where-it-pays",
        "is found by measurement: it needs --tactics timed, and no --precision-from");
  }
  if (given("--noise-samples") && !goal() && report.empty()) {
    throw CLI::ValidationError("--noise-samples", "is for --max-loss, --min-sqnr and --report");
  }
  if ((goal() || has_metric()) && evaluate.empty() && calibration.data.empty()) {
    throw CLI::ValidationError(
        "--max-loss, --min-sqnr, --metric and --labels need --evaluate DATA");
  }
  (void)quantity("--max-loss", max_loss, "pt");
  (void)quantity("--min-sqnr", min_sqnr, "dB");
  metric.check();
  check_writable("--report", report);
}

void GoalFlags::set(BuildOptions& options) const {
  options.int8_layers =
      int8_layers == "all" ? BuildOptions::Int8Layers::kAll : BuildOptions::Int8Layers::kWherePays;
  options.objective = objective_from_name(objective);
}

Goal::Goal(const Session& session, const GoalFlags& flags, const CalibrationFlags& calibration,
           const Network& network)
    : session_(session),
      flags_(flags),
      network_(network),
      data_(flags.evaluate.empty() ? calibration.data : flags.evaluate) {
  goal_.max_loss = quantity("--max-loss", flags.max_loss, "pt");
  goal_.min_sqnr_db = quantity("--min-sqnr", flags.min_sqnr, "dB");
  if (data_.empty() || !flags.evaluates()) return;
  data_options_ = flags.evaluate.empty() ? calibration.flags.options() : DataOptions{};
  data_options_.preprocess = calibration.flags.options().preprocess;
  for (const TensorId input : network.inputs()) {
    const Shape& shape = network.shape(input);
    data_options_.input_shapes[network.name(input)] = shape;
    data_options_.input_types[network.name(input)] = network.type(input);
    if (shape.rank() > 0 && shape[0] > 0) data_options_.batch = shape[0];
  }
  const auto source = open_data(data_, data_options_);
  goal_.metric = Tally(flags.metric, data_, data_options_, *source).name();
  if (goal_.max_loss && goal_.metric.empty()) {
    throw CLI::ValidationError("--max-loss",
                               "needs a metric: --labels FILE, data that carry labels, or --metric "
                               "agreement");
  }
  goal_.evaluate = [this](const Plan& plan) { return accuracy_of(plan); };
}

const PrecisionGoal& Goal::prepared(const Preprocess& preprocess) {
  data_options_.preprocess = preprocess;
  if (data_.empty() || !(flags_.goal() || !flags_.report.empty())) return goal_;
  samples_ = open_data(data_, data_options_);
  goal_.samples = samples_.get();
  goal_.noise_samples = flags_.noise_samples;
  goal_.calibration.threads = session_.threads;
  goal_.calibration.progress = session_.progress();
  goal_.calibration.log = session_.log();
  return goal_;
}

Accuracy Goal::accuracy_of(const Plan& plan) {
  const auto source = open_data(data_, data_options_);
  Tally tally(flags_.metric, data_, data_options_, *source);
  CompareOptions options;
  options.device = session_.device;
  options.threads = session_.threads;
  options.outputs = [&](auto ours, auto theirs, int64_t rows) { tally.add(ours, theirs, rows); };
  const Comparison result = compare(network_, plan, *source, options);
  evaluated_ = result.samples;
  Accuracy accuracy = result.accuracy();
  if (const auto metric = tally.value()) {
    accuracy.metric = 100.0 * metric->candidate;
    accuracy.reference = 100.0 * metric->reference;
  }
  return accuracy;
}

}  // namespace octile::cli
