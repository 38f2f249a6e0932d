// Runs one step by one tactic on buffers of its own: for timing tactics and for conformance tests.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/repeat_clock.h"

namespace octile {

/// Varied, small, finite values, all 0 in integers of more than 8 bits: realistic enough for
/// timing, harmless for every step.
void fill_varied(Tensor& tensor);

/// A StepRunner owns inputs (filled with small varied values), outputs and workspace of one step,
/// prepared for given shapes of all the plan's tensors. Not thread-safe.
class StepRunner {
 public:
  StepRunner(const PlanData& plan, const PlanStep& step, std::span<const Shape> shapes,
             const Tactic& tactic, const Device& device);
  StepRunner(const StepRunner&) = delete;
  StepRunner& operator=(const StepRunner&) = delete;

  /// One after the other, as a context runs steps: within one team; done when this returns.
  void run(int times = 1);
  /// Nanoseconds of one of `times` runs: on a GPU between two events, the runs recorded as a graph,
  /// so that the host's calls are not what is measured.
  double time(int times);
  /// Bytes of input or output i, to set before or read after run() (on the CPU).
  Tensor& input(size_t i) { return input_tensors_[i]; }
  Tensor& output(size_t i) { return output_tensors_[i]; }

 private:
  void enqueue(int times);
  void wait() const;

  const Accelerator* accelerator_;
  std::unique_ptr<OwnedStream> stream_;
  std::string name_;
  std::vector<Tensor> input_tensors_, output_tensors_;
  std::vector<Memory> memory_;  // on a GPU: the inputs, then the outputs
  Memory workspace_;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  std::unique_ptr<PackedWeights> packed_;
  std::unique_ptr<Prepared> prepared_;
  std::unique_ptr<RepeatClock> clock_;
};

}  // namespace octile
