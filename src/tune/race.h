// Several plans on one device, timed in turn: whole runs, and step by step inside of runs.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "octile/builder.h"
#include "octile/tensor.h"
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

/// What inputs hold while engines are timed. Floats are smooth, varied and in [0, 1], bytes are
/// what tactics are timed on; longer integers are all 0, which any table holds.
Tensor made_up_values(DataType type, const Shape& shape);

/// Whether a plan that has taken `ns` for `done` rounds of a race runs once more. 0.6 s a plan are
/// aimed at; but 4 rounds are the least whose quartiles are not the quickest and the slowest run,
/// and more than 30 say no more.
bool takes_another_round(int done, double ns);

/// What a run takes beside its steps, of kThroughput by the number of streams: starting a GPU's
/// graph and waiting for it. REQUIRES: options name a GPU.
double empty_run_ns(const BuildOptions& options);

/// Where a network does not run on made-up values, so that nothing can be timed.
class CannotTime : public Error {
 public:
  using Error::Error;
};

/// A Race loads plans of one network and runs them at the opt shapes of their first profile, on
/// made-up values. Rounds are interleaved, so that a machine that slows down slows all of them;
/// takes_another_round() bounds those of each plan. Objective kThroughput: every core runs a
/// context of its own, with one thread. Rounds are told to BuildOptions::progress. Not thread-safe.
class Race {
 public:
  explicit Race(const BuildOptions& options);
  ~Race();
  /// Throws CannotTime where the plan does not run on such values: a Reshape to a size that is an
  /// input, for example.
  void add(std::shared_ptr<const PlanData> plan);
  /// Time of one run of each plan; of kThroughput: the wall time by the number of runs.
  std::vector<Timing> whole_runs();
  /// By plan, then by step: on the CPU times inside of runs, where caches hold what the steps
  /// before left, and of kThroughput by the number of runs as well, so that they add up to
  /// whole_runs(); on a GPU of many runs of the step in a row (runtime/step_clock.h), so that with
  /// empty_run_ns() they add up (of kThroughput to more: streams fill what small kernels leave).
  std::vector<std::vector<Timing>> steps();

 private:
  class Lane;
  /// Rounds of all plans in turn; `watched` runs one of them.
  void rounds(std::string_view phase, const std::function<void(size_t lane)>& watched);

  BuildOptions options_;
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace octile
