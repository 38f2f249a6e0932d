// The rows of the table of tactics, one file a kind of step.
#pragma once

#include <span>

#include "kernels/cuda/row.h"

namespace octile::cuda {

extern const Row kEltwiseBytesRow, kEltwiseFloatsRow, kActivationRow, kUnaryRow, kLookupRow,
    kQuantizeRow, kDequantizeRow, kCastRow, kConcatRow, kReorderRow, kViewRow, kGatherRow,
    kPoolBytesRow, kPoolFloatsRow, kSoftmaxBytesRow, kSoftmaxFloatsRow, kNormalizeRow,
    kMatmulBytesRow, kMatmulFloatsRow, kWindowBytesRow, kWindowFloatsRow, kTransposedWindowRow;

/// The rows of conv_kernel.h.
std::span<const Tactic* const> conv_tactics();

/// A max pooling of bytes with few taps, each window of which holds a pixel.
bool is_foldable_pooling(const StepView& view);
/// The convolution, or the product of a pooled image as it lies, with the pooling in front; null
/// where its row does not pool. What lies between them are views.
std::unique_ptr<Chain> pool_and_convolve(const StepView& pooling, const ChosenStep& step,
                                         const Device& device);

/// A max pooling of 2 × 2, its stride as well, with the convolution in front; null where that one's
/// row does not pool.
std::unique_ptr<Chain> convolve_and_pool(const ChosenStep& step, const StepView& pooling,
                                         const Device& device);

/// Float rows of NVIDIA's libraries, where their headers were there when this was built.
const Tactic& cudnn_tactic();
std::span<const Tactic* const> cublas_tactics();

/// Runs a step on the host, by the CPU's first row that accepts it; copies go by pinned memory.
const Tactic& host_tactic();

/// The table, best first.
std::span<const Tactic* const> tactics();

}  // namespace octile::cuda
