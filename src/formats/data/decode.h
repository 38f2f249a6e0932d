// Decoding of JPEG, PNG, BMP, PPM … by stb.
#pragma once

#include <string>

#include "formats/data/preprocess.h"

namespace octile {

/// Throws kInvalidFile naming the file and why it cannot be decoded.
Picture decode_picture(const std::string& path);
/// By ending: .jpg .jpeg .png .bmp .ppm .pgm .tga .gif
bool is_picture_name(const std::string& path);

}  // namespace octile
