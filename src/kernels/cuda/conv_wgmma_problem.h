// The host side of the rows that wgmma multiplies and the tensor copy engine feeds.
#pragma once

#include <cuda.h>

#include <string>

#include "kernels/cuda/conv_params.h"

namespace octile::cuda {

/// A matrix product: rows lie as they are multiplied, without windows.
bool is_product(const ConvProblem&);

/// Channels of one step of K: as few bytes of zeros as possible, but few steps too. 64 or 128.
int32_t wgmma_line_bytes(const ConvProblem&);

/// Steps of one tap.
int32_t wgmma_channel_blocks(const ConvProblem&);

PackedLayout wgmma_layout(const ConvProblem&);
size_t wgmma_packed_bytes(const ConvKernel&, const ConvProblem&);
void pack_wgmma(const ConvKernel&, const ConvProblem&, const ConvWeights&, uint8_t* packed);

/// Why not, for tiles of `columns` output channels; "" if they can. The copy engine pads with
/// zeros: rows that do not fill borders themselves take no other zero point there.
std::string refuse_wgmma(const ConvKernel&, const ConvProblem&, const ConvDevice&, int columns,
                         bool fills_borders = false);

/// The copy engine's view of x: boxes of `pixels` output pixels, one line of channels each.
CUtensorMap wgmma_pixels(const ConvKernel&, const ConvProblem&, const void* x, int pixels);

}  // namespace octile::cuda
