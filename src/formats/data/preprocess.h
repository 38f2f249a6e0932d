// Applying a Preprocess: pictures and arrays become network inputs, in plain fixed-order float.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "octile/data.h"

namespace octile {

/// A decoded picture or one IDX sample: bytes (height, width, channels), channels 1 or 3 (RGB).
struct Picture {
  int64_t height = 0, width = 0, channels = 1;
  std::vector<uint8_t> bytes;
};

/// Where a picture of these extents lies on `input`: the geometry of prepare_picture(). Throws
/// kInvalidArgument, beginning with `origin`, where preprocessing does not say how it fits.
Placement place_picture(int64_t height, int64_t width, const Preprocess& preprocess,
                        const Shape& input, const std::string& origin);

/// The picture as one sample of `input` (batch axis included; only its other extents count). The
/// channel count follows the network input unless the colour says otherwise. `origin` names the
/// picture in errors.
Tensor prepare_picture(const Picture& picture, const Preprocess& preprocess, const Shape& input,
                       const std::string& origin);

/// scale, mean and std on an array whose axis `channel_axis` counts channels, in place; other keys
/// do not apply to arrays and are refused.
void prepare_array(Tensor& values, const Preprocess& preprocess, int channel_axis,
                   const std::string& origin);

}  // namespace octile
