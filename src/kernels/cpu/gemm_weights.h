// Weights of a ConvStep packed for one GemmKernel: column tiles, biases, multipliers.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "base/allocate.h"
#include "kernels/cpu/gemm_kernel.h"
#include "kernels/cpu/gemm_source.h"

namespace octile {

GemmInput gemm_input(const PlanTensor& x);

class GemmWeights : public PackedWeights {
 public:
  GemmWeights(const StepView& view, const GemmKernel& kernel);
  size_t bytes() const override { return packed.size() + columns() * (sizeof(int32_t) + 8); }
  /// Columns of all tiles, padding included.
  size_t columns() const { return bias.size(); }

  const GemmKernel kernel;
  const GemmVariant& variant;  // of `kernel`
  const GemmCut cut;
  int64_t tiles_per_group = 0;  // of columns
  int64_t tile_bytes = 0;
  std::vector<int8_t, AlignedAllocator<int8_t>>
      packed;                       // [group][tile], then as gemm_kernel.h says
  std::vector<int32_t> bias;        // [group][tile][nr]; shift taken off
  std::vector<int32_t> weight_sum;  // the same order: Σ w_q
  std::vector<float> multiplier;    // the same order
  std::vector<int32_t> order;       // chained kernels: [group][tile] its groups of k in their order
  std::vector<int32_t> chains;      // chained kernels: [group][tile][kGemmChains]
  std::vector<float> addend;        // dynamic steps: the float bias, the same order
  bool may_leave_int32 = false;     // scaled sums (residual included) beyond ±2^31 are possible

 private:
  void chain_tile(int64_t tile);
};

/// The kernel of a list for products of `rows` × k with k × n.
const GemmKernel& best_gemm_kernel(const GemmKernels& kernels, int64_t rows, int64_t k, int64_t n);

}  // namespace octile
