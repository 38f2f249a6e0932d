// Quantize steps move behind views.
#pragma once

#include "plan/plan_data.h"

namespace octile {

/// A Quantize step whose bytes reach a convolution through views alone (a picture that comes as
/// (N, H, W, C), say) is moved to stand right before the convolution, so that one which can
/// quantizes on the way (plan/quantize_chains.h). A view moves nothing, of floats as of bytes, and
/// quantizing is done value by value: the bits stay the same. Steps that others read from stay, and
/// so do those that change the layout.
void sink_quantize(PlanData& plan);

}  // namespace octile
