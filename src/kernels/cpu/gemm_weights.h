// Weights of a ConvStep packed for one GemmKernel: column tiles, biases, multipliers.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "kernels/cpu/gemm_kernel.h"

namespace octile {

/// How the k axis is cut: `segments` of `run` values, each padded to `bytes` (a multiple of 4).
struct GemmCut {
  enum class Rows : uint8_t {
    kDirect,    // a segment is a tap: its channels, read in place
    kPadded,    // a segment is a kernel row of few channels, read in a copy with padded borders
    kGathered,  // one segment: the row is copied to scratch (odd channels in rows or groups)
  };
  int64_t segments = 1, run = 0, bytes = 0;
  Rows rows = Rows::kDirect;
};

/// Depthwise: one segment a tap, filled up to fours. Else kDirect when the group's channels come in
/// fours; kPadded for dense kernels of one group.
GemmCut gemm_cut(const ConvStep& step, const GemmKernel& kernel);

GemmInput gemm_input(const PlanTensor& x);

class GemmWeights : public PackedWeights {
 public:
  GemmWeights(const StepView& view, const GemmKernel& kernel);
  size_t bytes() const override { return packed.size() + columns() * (sizeof(int32_t) + 8); }
  /// Columns of all tiles, padding included.
  size_t columns() const { return bias.size(); }

  const GemmKernel& kernel;
  GemmCut cut;
  bool flips_copies;    // padded copies hold x + 128: the kernel for unsigned bytes reads them
  GemmVariant variant;  // of `kernel`; its shift is what the driver and it add together
  int64_t column_groups = 1;    // the step's groups; depthwise: one, its columns are the channels
  int64_t tiles_per_group = 0;  // of columns
  int64_t tile_bytes = 0;
  std::vector<int8_t> packed;       // [group][tile], then as gemm_kernel.h says
  std::vector<int32_t> bias;        // [group][tile][nr]; shift taken off
  std::vector<int32_t> weight_sum;  // the same order: Σ w_q
  std::vector<float> multiplier;    // the same order
  std::vector<float> addend;        // dynamic steps: the float bias, the same order
};

/// Groups of columns that share no tile.
inline int64_t gemm_column_groups(const ConvStep& step, const GemmKernel& kernel) {
  return kernel.depthwise ? 1 : step.groups;
}

/// The kernel of a list that wastes the fewest columns on `n`, wider ones first.
const GemmKernel& best_gemm_kernel(const GemmKernels& kernels, int64_t n);

}  // namespace octile
