// The table of tactics.h. No step is accepted by two rows; Generic is last because it is slowest.
#include "kernels/portable/tactics.h"

#include "kernels/portable/rows.h"

namespace octile {

std::span<const Tactic* const> portable_tactics() {
  using namespace portable;
  static const Tactic* const table[] = {&kConvInt8,   &kConvFloat,   &kDeconvFloat,  &kPoolInt8,
                                        &kPoolFloat,  &kEltwiseInt8, &kEltwiseFloat, &kActivation,
                                        &kLookup,     &kQuantize,    &kDequantize,   &kConcat,
                                        &kReorder,    &kView,        &kSoftmaxInt8,  &kSoftmaxFloat,
                                        &kMatmulInt8, &kMatmulFloat, &kGeneric};
  return table;
}

}  // namespace octile
