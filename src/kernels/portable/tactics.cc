// The table of tactics.h. No step is accepted by two rows; Generic is last because it is slowest.
#include "kernels/portable/tactics.h"

#include "kernels/portable/rows.h"

namespace octile {

std::span<const Tactic* const> portable_tactics() {
  static const Tactic* const table[] = {
      &portable::kConvInt8,     &portable::kConvFloat,  &portable::kDeconvFloat,
      &portable::kPoolInt8,     &portable::kPoolFloat,  &portable::kEltwiseInt8,
      &portable::kEltwiseFloat, &portable::kActivation, &portable::kLookup,
      &portable::kQuantize,     &portable::kDequantize, &portable::kConcat,
      &portable::kReorder,      &portable::kView,       &portable::kSoftmaxInt8,
      &portable::kSoftmaxFloat, &portable::kMatmulInt8, &portable::kMatmulFloat,
      &portable::kNormalize,    &portable::kGeneric};
  return table;
}

}  // namespace octile
