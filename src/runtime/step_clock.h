// For the choice of precisions: what a plan's steps take on a GPU in a replayed graph, where the
// next one's start is hidden behind the end of the one before.
#pragma once

#include <memory>
#include <vector>

#include "backend/repeat_clock.h"
#include "octile/engine.h"

namespace octile {

/// A StepClock runs each step of a context many times in a row, recorded as a graph: a profiler's
/// two events around one step add some 5 µs to it. Steps of a chain count as its first one; a late
/// step, on the host, counts as nothing. Not thread-safe.
class StepClock {
 public:
  /// REQUIRES: the context's engine is on a GPU; it has run under its shapes and bindings, which
  /// stay as they are.
  explicit StepClock(ExecutionContext& context);
  ~StepClock();

  /// Nanoseconds of each step, by its index in the plan, now. Afterwards tensors hold anything.
  std::vector<double> sample();

 private:
  struct Timed;
  void add(size_t step, const std::function<void()>& enqueue);

  ExecutionContext& context_;
  std::vector<Timed> timed_;
};

}  // namespace octile
