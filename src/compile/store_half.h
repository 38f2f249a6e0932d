// Tensors between float steps are kept as float16, where the device computes with it.
#pragma once

#include <map>
#include <string>

#include "plan/plan_data.h"

namespace octile {

/// What was asked of steps, by step name.
using StepRequests = std::map<std::string, Precision>;

/// Products and convolutions read and write float16, and so do the steps that go on with what they
/// wrote: element-wise ones, poolings, Softmax, normalizations, movement. 8-bit steps that write
/// floats write them as such a reader wants them; Quantize takes either type. What was asked to be
/// kFloat32 stays so; what was asked to be kFloat16 is, wherever such a step has an arithmetic.
///
/// Weights of such steps are rounded to what float16 holds and stay float32.
///
/// Everything else keeps float32, the plan's inputs and outputs above all: between both kinds
/// stands a Reorder step that changes the type, one for each tensor. Layouts change in the same
/// step where one stands there anyway.
void store_half(PlanData& plan, const StepRequests& asked);

}  // namespace octile
