// Several plans on one device, timed in turn: whole runs, and step by step inside of runs.
#pragma once

#include <memory>
#include <vector>

#include "octile/builder.h"
#include "plan/plan_data.h"

namespace octile {

/// The lower quartile of many samples (other programs only ever slow a run down, and a long run
/// meets more of them than a short step), and how far the upper one lies above it, as a share of
/// it.
struct Timing {
  double ns = 0.0;
  double spread = 0.0;
};
Timing timing_of(std::vector<double> samples);

/// Where a network does not run on made-up values, so that nothing can be timed.
class CannotTime : public Error {
 public:
  using Error::Error;
};

/// A Race loads plans of one network and runs them at the opt shapes of their first profile, on
/// smooth values. Rounds are interleaved, so that a machine that slows down slows all of them.
/// Objective kThroughput: every core runs a context of its own, with one thread. Not thread-safe.
class Race {
 public:
  explicit Race(const BuildOptions& options);
  ~Race();
  /// Throws CannotTime where the plan does not run on such values: a Reshape to a size that is an
  /// input, for example.
  void add(std::shared_ptr<const PlanData> plan);
  /// Time of one run of each plan; of kThroughput: the wall time by the number of runs.
  std::vector<Timing> whole_runs();
  /// By plan, then by step: times inside of runs, where caches hold what the steps before left; of
  /// kThroughput by the number of runs as well, so that they add up to whole_runs().
  std::vector<std::vector<Timing>> steps();

 private:
  class Lane;
  BuildOptions options_;
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace octile
