// The table of rows.h. The plain convolutions come after those of conv_kernel.h; the host comes
// last: it accepts whatever the CPU can run.
#include "kernels/cuda/rows.h"
#include "kernels/host_tactic.h"

namespace octile::cuda {
namespace {

std::vector<const Tactic*> table() {
  const auto kernels = conv_tactics();
  std::vector<const Tactic*> rows(kernels.begin(), kernels.end());
#ifdef OCTILE_HAVE_CUDA_LIBRARIES
  rows.push_back(&cudnn_tactic());
  for (const Tactic* row : cublas_tactics()) rows.push_back(row);
#endif
  for (const Row* row :
       {&kEltwiseBytesRow, &kEltwiseFloatsRow,   &kActivationRow,   &kUnaryRow,
        &kLookupRow,       &kQuantizeRow,        &kDequantizeRow,   &kCastRow,
        &kConcatRow,       &kReorderRow,         &kViewRow,         &kGatherRow,
        &kPoolBytesRow,    &kPoolFloatsRow,      &kSoftmaxBytesRow, &kSoftmaxFloatsRow,
        &kNormalizeRow,    &kMatmulBytesRow,     &kMatmulFloatsRow, &kWindowBytesRow,
        &kWindowFloatsRow, &kTransposedWindowRow}) {
    rows.push_back(row);
  }
  rows.push_back(&host_tactic());
  return rows;
}

}  // namespace

std::span<const Tactic* const> tactics() {
  static const std::vector<const Tactic*> rows = table();
  return rows;
}

}  // namespace octile::cuda
