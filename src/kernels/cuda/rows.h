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

/// A convolution and the max pooling of 2 × 2, its stride as well, that reads it; null where they
/// are not that, or the convolution's row does not pool.
std::unique_ptr<Chain> convolve_and_pool(const ChosenStep& step, const StepView& pooling,
                                         const Device& device);

/// Float rows of NVIDIA's libraries, where their headers were there when this was built.
const Tactic& cudnn_tactic();
std::span<const Tactic* const> cublas_tactics();

/// The table, best first.
std::span<const Tactic* const> tactics();

}  // namespace octile::cuda
