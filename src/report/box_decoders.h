// The seam between detect() and the ways of networks to say a box.
#pragma once

#include <span>
#include <vector>

#include "octile/detection.h"

namespace octile {

/// Gives the boxes of one sample with a score above `threshold`, in pixels of the network's input.
struct BoxDecoder {
  BoxDecoderInfo info;
  std::vector<Detection> (*decode)(std::span<const Tensor> outputs, int64_t row,
                                   const Placement& input, double threshold);
};

/// Throws kInvalidArgument listing the known ones.
const BoxDecoder& find_box_decoder(std::string_view name);

}  // namespace octile
