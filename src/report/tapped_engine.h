// An engine whose inner tensors can be read after a run, by their names in the network.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "octile/engine.h"
#include "plan/plan_data.h"

namespace octile {

/// One tensor of a plan under one name: its int8 form where there is one, else the first float one.
struct Tap {
  std::string name, layer;  // layer: the step that makes it, "" for an input
  int32_t tensor = -1;
  int32_t order = -1;  // the tensor whose layout says how the bytes lie
  bool int8 = false, output = false, half = false;  // half: float16
};

/// A TappedEngine runs a plan that keeps its tensors. Not thread-safe.
class TappedEngine {
 public:
  /// REQUIRES: one profile, whose memory was planned without reuse.
  TappedEngine(std::shared_ptr<const PlanData> plan, int threads,
               const std::string& device = "cpu");
  /// Inputs in the plan's order.
  void run(const std::vector<Tensor>& inputs);
  /// Float and static int8 tensors that are no constants, in the order in which they are made.
  const std::vector<Tap>& taps() const { return taps_; }
  /// Of the last run.
  const Shape& shape(const Tap& tap) const { return views_[size_t(tap.tensor)].shape; }
  /// Of the last run, as float32 in row-major order of the logical shape.
  Tensor values(const Tap& tap) const;
  const std::vector<std::string>& output_names() const { return output_names_; }
  std::vector<Tensor> outputs() const;

 private:
  Engine engine_;
  ExecutionContext context_;
  std::vector<Tap> taps_;
  std::vector<std::string> output_names_;
  std::vector<TensorView> views_;  // by tensor
};

}  // namespace octile
