// The table of rows.h. The host comes last: it accepts whatever the CPU can run.
#include "kernels/cuda/rows.h"

namespace octile::cuda {

std::span<const Tactic* const> tactics() {
  static const Tactic* const table[] = {
      &kEltwiseBytesRow,     &kEltwiseFloatsRow, &kActivationRow,    &kUnaryRow,
      &kLookupRow,           &kQuantizeRow,      &kDequantizeRow,    &kConcatRow,
      &kReorderRow,          &kViewRow,          &kGatherRow,        &kPoolBytesRow,
      &kPoolFloatsRow,       &kSoftmaxBytesRow,  &kSoftmaxFloatsRow, &kNormalizeRow,
      &kMatmulBytesRow,      &kMatmulFloatsRow,  &kWindowBytesRow,   &kWindowFloatsRow,
      &kTransposedWindowRow, &host_tactic()};
  return table;
}

}  // namespace octile::cuda
