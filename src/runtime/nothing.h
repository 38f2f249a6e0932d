// Steps that have nothing to compute: tensors without elements, or another step does it.
#pragma once

#include <algorithm>

#include "backend/step_threads.h"

namespace octile {

/// What runs then.
class Nothing final : public Prepared, public HasStepThreads {
 public:
  Nothing() : HasStepThreads(StepThreads::kNone) {}
  void run(const Buffers&) override {}
};

inline bool makes_nothing(const StepView& view) {
  return std::all_of(view.outputs.begin(), view.outputs.end(),
                     [](const PlanTensor& t) { return t.shape.volume() == 0; });
}

}  // namespace octile
