// Quantize steps move behind views.
#pragma once

#include "plan/plan_data.h"

namespace octile {

/// A Quantize step whose bytes reach a convolution through views alone (a picture that comes as
/// (N, H, W, C), say) takes the place of the last view, so that a convolution which can quantizes
/// on the way (plan/quantize_chains.h). A view moves nothing, of floats as of bytes, and quantizing
/// is done value by value: the bits stay the same. Steps whose bytes others read stay, and so do
/// those that change the layout or read float16, and those behind whose views a table comes.
/// Minima (annotate_minima()) stay right.
void sink_quantize(PlanData& plan);

}  // namespace octile
