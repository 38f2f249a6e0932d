// See goal_keeper.h.
#include "tune/goal_keeper.h"

#include <fmt/ranges.h>

#include "base/error.h"

namespace octile {
void GoalKeeper::evaluate(Candidate& engine) const {
  for (const Candidate& other : known_) {
    if (!engine.accuracy && other.plan == engine.plan) engine.accuracy = other.accuracy;
  }
  if (!engine.accuracy) engine.accuracy = goal_.evaluate(Plan(engine.plan));
}

bool GoalKeeper::keeps(Candidate& engine) {
  if (!has_goal()) return true;
  evaluate(engine);
  return (!goal_.min_sqnr_db || keeps_sqnr(*engine.accuracy)) &&
         (!goal_.max_loss || keeps_loss(*engine.accuracy));
}

bool GoalKeeper::keeps_sqnr(const Accuracy& accuracy) {
  not_compared_.insert(accuracy.not_compared.begin(), accuracy.not_compared.end());
  return accuracy.not_compared.empty() && accuracy.sqnr_db &&
         *accuracy.sqnr_db >= *goal_.min_sqnr_db;
}

bool GoalKeeper::keeps_loss(const Accuracy& accuracy) const {
  check(accuracy.metric && accuracy.reference, ErrorCode::kInvalidArgument,
        "max_loss needs a metric of the engine and of the float network; evaluate() gave {}",
        accuracy.metric ? "the engine's alone" : "none");
  constexpr double kRounding = 1e-9;  // 0.3 points of 1000 samples are not quite 0.3
  return *accuracy.reference - *accuracy.metric <= *goal_.max_loss + kRounding;
}

void GoalKeeper::conclude(Candidate& best) {
  const bool kept = keeps(best);
  if (goal_.min_sqnr_db) {
    check(best.accuracy->not_compared.empty(), ErrorCode::kInvalidArgument,
          "min_sqnr_db cannot be verified: outputs whose shapes hang on values differ from the "
          "float network's, even with the least INT8: {}; max_loss with a metric can say what they "
          "are worth",
          fmt::join(best.accuracy->not_compared, ", "));
    check(best.accuracy->sqnr_db.has_value(), ErrorCode::kInvalidArgument,
          "min_sqnr_db needs the SQNR of the outputs, and there is none: they hold integers, or "
          "evaluate() gave none; max_loss with a metric can say what they are worth");
  }
  if (!not_compared_.empty()) {
    warn(
        fmt::format("engines whose outputs cannot be compared with the float network's, since "
                    "their shapes hang on values and differ, do not keep to min_sqnr_db: {}",
                    fmt::join(not_compared_, ", ")));
  }
  if (!kept) {
    warn(
        "no engine keeps to the goal: what was asked to run in int8, or float's own deviation, is "
        "more than it allows; the least noisy one is kept");
  }
}

void GoalKeeper::warn(const std::string& text) const {
  if (log_) log_(LogLevel::kWarning, text);
}

}  // namespace octile
