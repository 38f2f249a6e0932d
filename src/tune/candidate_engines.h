// The engines of a build that measures: compiled for labels, timed as wholes, and inside of them.
#pragma once

#include <string>
#include <vector>

#include "tune/precision_choice.h"

namespace octile {

/// CandidateEngines makes and times engines of one PrecisionChoice; times are read from and added
/// to a timing cache. What it is given outlives it.
class CandidateEngines {
 public:
  /// REQUIRES: choice.graph is set; the rest when it is used.
  CandidateEngines(const Network& original, const CalibrationTable* table,
                   const CompileOptions& options, TimingCache& times, PrecisionChoice& choice);

  /// Compiled, unless one of choice.candidates has these labels.
  Candidate make(const std::string& name, const std::vector<Label>& labels);
  /// Times choice.candidates in turn, each plan once, whatever its names; unless the cache knows
  /// this race. Others stay as they are: a build that reads them decides as the one that ran them.
  void race();
  /// By group: times inside of one engine.
  std::vector<TimeInside> times_inside(const Candidate& engine);

 private:
  std::shared_ptr<const PlanData> compiled(const std::vector<Label>& labels);
  bool times_are_known();
  std::string key_of(const std::vector<Label>& labels) const;
  std::string race_key_of(const std::vector<Label>& labels) const;

  const Network& original_;
  const CalibrationTable* table_;
  const CompileOptions& options_;
  TimingCache& times_;
  PrecisionChoice& choice_;
  std::string measured_on_;
};

}  // namespace octile
