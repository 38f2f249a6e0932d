// For the choice of precisions: what a plan's steps take on a GPU in a replayed graph, where the
// next one's start is hidden behind the end of the one before.
#pragma once

#include <memory>
#include <vector>

#include "backend/repeat_clock.h"
#include "octile/engine.h"

namespace octile {

/// A StepClock runs each step of a context many times in a row, recorded as a graph: a profiler's
/// two events around one step add some 5 µs to it. The steps of a chain share its time, as they
/// would take theirs apart; late steps, on the host, are timed by the profiler. Not thread-safe.
class StepClock {
 public:
  /// REQUIRES: the context's engine is on a GPU; it has run under its shapes and bindings. They
  /// stay as they are, and the context is not moved, while this lives.
  explicit StepClock(ExecutionContext& context);
  ~StepClock();

  /// Nanoseconds of each step, by its index in the plan, now. Afterwards tensors hold anything.
  std::vector<double> sample();
  /// Chains that run as one.
  size_t chain_count() const;

 private:
  struct Timed;
  Timed timed(size_t first, size_t count, const std::function<void()>& enqueue) const;
  void add_late_steps(std::vector<double>& times) const;
  void wait(const std::string& what) const;

  ExecutionContext& context_;
  std::vector<Timed> steps_, chains_;
};

}  // namespace octile
