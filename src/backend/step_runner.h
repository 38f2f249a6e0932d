// Runs one step by one tactic on buffers of its own: for timing tactics and for conformance tests.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"

namespace octile {

/// A StepRunner owns inputs (filled with small varied values), outputs and workspace of one step,
/// prepared for given shapes of all the plan's tensors. Not thread-safe.
class StepRunner {
 public:
  StepRunner(const PlanData& plan, const PlanStep& step, std::span<const Shape> shapes,
             const Tactic& tactic, const Device& device);
  /// One after the other, as a context runs steps: within one team.
  void run(int times = 1);
  /// Bytes of input or output i, to set before or read after run().
  Tensor& input(size_t i) { return input_tensors_[i]; }
  Tensor& output(size_t i) { return output_tensors_[i]; }

 private:
  std::vector<Tensor> input_tensors_, output_tensors_;
  Tensor workspace_;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  std::unique_ptr<PackedWeights> packed_;
  std::unique_ptr<Prepared> prepared_;
};

}  // namespace octile
