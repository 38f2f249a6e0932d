// Tensors that go from one step to one other.
#pragma once

#include <vector>

#include "plan/plan_data.h"

namespace octile {

/// A SingleReads knows who makes each tensor of a plan and how many read it.
class SingleReads {
 public:
  explicit SingleReads(const PlanData& plan);
  /// The step that makes `t`, which one step reads, once, and nobody else does. −1 where that is
  /// not so, where `t` is an output of the plan, or where its shape hangs on values.
  int32_t maker(int32_t t) const { return maker_[size_t(t)]; }

 private:
  std::vector<int32_t> maker_;  // by tensor
};

}  // namespace octile
