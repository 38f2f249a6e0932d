// Quantize steps that a convolution behind them may do itself, while it reads (on GPUs the kernels
// of first layers do). Whether one does is decided where tactics are; plan files say nothing of it.
#pragma once

#include <vector>

#include "plan/plan_data.h"

namespace octile {

/// A Quantize step and what follows up to a convolution, each read by the next alone.
struct QuantizeChain {
  size_t reader = 0;             // the convolution
  std::vector<size_t> absorbed;  // the Quantize step, then tables that only shift its bytes
  PlanStep step;                 // the reader with inner_quantize: it reads the Quantize's input
};
std::vector<QuantizeChain> quantize_chains(const PlanData& plan);

}  // namespace octile
