// The rows of the portable table, one file a kind of step.
#pragma once

#include "kernels/function_tactic.h"

namespace octile::portable {

extern const FunctionTactic kConvInt8, kConvFloat, kDeconvFloat, kPoolInt8, kPoolFloat,
    kEltwiseInt8, kEltwiseFloat, kActivation, kLookup, kQuantize, kDequantize, kConcat, kReorder,
    kView, kSoftmaxInt8, kSoftmaxFloat, kMatmulInt8, kMatmulFloat, kNormalize, kGeneric;

}  // namespace octile::portable
