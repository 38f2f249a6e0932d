// Measures, assigns and verifies: which groups run in INT8 because it pays.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compile/compile.h"
#include "tune/group_times.h"
#include "tune/pareto.h"
#include "tune/precision_graph.h"
#include "tune/race.h"

namespace octile {

/// An engine that was built and timed as a whole.
struct Candidate {
  std::string name;  // "float", "int8", "chosen"
  std::vector<Label> labels;
  std::shared_ptr<const PlanData> plan;
  Timing time = {};
  std::optional<Accuracy> accuracy;
};

/// All that a build found out about precision.
struct PrecisionChoice {
  LabelledGraph graph;
  MeasuredTimes times;
  PrecisionGraph costs;
  std::vector<double> noise;  // by group, relative power at the outputs; or empty
  double lambda = 0.0;        // nanoseconds that a unit of noise counted as
  bool has_goal = false;      // else single layers stay float, whatever they would save
  std::vector<ParetoPoint> pareto;
  std::vector<Candidate> candidates;
  size_t kept = 0;  // of candidates
  double predicted_ns = 0.0;
  std::string explanation;  // why the prediction is off by more than 15 %, or ""
};

/// REQUIRES: options.build.int8. Builds and times engines; progress and log as options say.
PrecisionChoice choose_precision(const Network& original, const CalibrationTable* table,
                                 const CompileOptions& options, const PrecisionGoal& goal);

}  // namespace octile
