// Whether engines keep to a build's goal, judged on their built plans.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tune/precision_choice.h"

namespace octile {

/// A GoalKeeper asks the goal's evaluate() about engines, about each plan once. `known`, the
/// candidates so far, and the goal outlive it.
class GoalKeeper {
 public:
  GoalKeeper(const PrecisionGoal& goal, const std::vector<Candidate>& known, LogCallback log)
      : goal_(goal), known_(known), log_(std::move(log)) {}

  bool has_goal() const { return goal_.max_loss || goal_.min_sqnr_db; }
  /// Fills in its accuracy. REQUIRES: the goal has evaluate().
  void evaluate(Candidate& engine) const;
  /// True without a goal. An engine with an output that cannot be compared in some sample does not
  /// keep to a least SQNR: what it loses there nobody knows.
  bool keeps(Candidate& engine);
  /// After the search, of the best engine that it found, the float one at worst: throws
  /// kInvalidArgument where its SQNR is not known, and warns where it does not keep to the goal or
  /// others were out because their outputs could not be compared.
  void conclude(Candidate& best);

 private:
  bool keeps_sqnr(const Accuracy& accuracy);
  bool keeps_loss(const Accuracy& accuracy) const;
  void warn(const std::string& text) const;

  const PrecisionGoal& goal_;
  const std::vector<Candidate>& known_;
  LogCallback log_;
  std::set<std::string> not_compared_;  // outputs of engines that are out for them
};

}  // namespace octile
