// The plan of a network with int8 copies (int8_copies.h) for one set of input shapes, and which of
// its steps and tensors measure what.
#pragma once

#include <map>

#include "octile/tensor.h"
#include "plan/plan_data.h"
#include "tune/int8_copies.h"

namespace octile {

/// A group's way through the plan.
struct NoiseProbe {
  size_t copy = 0;            // index into CopiedNetwork::copies
  std::vector<size_t> steps;  // of the copy alone
  size_t maker = 0;           // the float step that makes what the group makes
  int32_t float_tensor = -1;  // which is this
  int32_t int8_tensor = -1;   // the copy's
};

struct NoisePlan {
  /// Compiles for the CPU and one thread; every tensor has a place of its own.
  NoisePlan(const CopiedNetwork& copied, const std::map<std::string, Tensor>& inputs);

  std::shared_ptr<const PlanData> plan;
  std::vector<Shape> shapes;        // by tensor
  std::vector<int32_t> orders;      // byte_orders()
  std::vector<int32_t> measured;    // float tensors: the outputs, or what stands for them
  std::vector<size_t> float_steps;  // all that those hang on
  std::vector<NoiseProbe> probes;   // the last maker first; none where int8 cannot be seen
  std::vector<size_t> late_copies;  // of groups whose output's shape hangs on values

 private:
  void find_measured(const std::vector<bool>& late);
  void find_probes(const CopiedNetwork& copied, const std::vector<bool>& late);
};

}  // namespace octile
