// Descriptors for the tensor copy engine (sm_90): made on the host at every launch (about 1 us),
// passed to kernels by value. The driver is asked for the function, not linked.
#pragma once

#include <cuda.h>

#include <array>
#include <cstdint>

#include "kernels/cuda/conv_kernel.h"

namespace octile::cuda {

/// Boxes of box_rows × line_bytes of a matrix (rows, row_bytes) of bytes; outside it: zeros.
/// line_bytes 32, 64 or 128 is the swizzle too. row_bytes % 16 = 0.
CUtensorMap matrix_map(const ConvKernel&, const void* data, int64_t rows, int64_t row_bytes,
                       int box_rows, int line_bytes);

/// `pixels` windows of a convolution at a time, line_bytes channels of one tap.
CUtensorMap pixel_map(const ConvKernel&, const void* x, const ConvProblem&, int pixels,
                      int line_bytes, int upper_h, int upper_w);

/// All channels of `pixels` neighbours in a line of an image; in_c 32, 64 or 128 is the swizzle
/// too.
CUtensorMap line_map(const ConvKernel&, const void* x, const ConvProblem&, int pixels);

/// Boxes of a dense tensor of floats, the first extent innermost; a row is a multiple of 16 bytes.
CUtensorMap float_map(const ConvKernel&, const void* data, const std::array<int64_t, 4>& extents,
                      const std::array<int32_t, 4>& box);

}  // namespace octile::cuda
