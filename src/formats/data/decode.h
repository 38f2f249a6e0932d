// Decoding of JPEG, PNG, BMP, PPM … by stb.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "formats/data/preprocess.h"

namespace octile {

/// Throws kInvalidFile naming the file and why it cannot be decoded.
Picture decode_picture(const std::string& path);
/// Height and width of a picture, from its head alone. Throws as decode_picture() does.
std::pair<int64_t, int64_t> picture_extents(const std::string& path);
/// By ending: .jpg .jpeg .png .bmp .ppm .pgm .tga .gif
bool is_picture_name(const std::string& path);

}  // namespace octile
