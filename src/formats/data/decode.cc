// The one file that holds stb's implementation.
#include "formats/data/decode.h"

#include <algorithm>
#include <filesystem>

#include "base/bytes.h"
#include "base/error.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 32768
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace octile {

Picture decode_picture(const std::string& path) {
  const std::string bytes = read_file(path);
  check(bytes.size() < (size_t{1} << 30), ErrorCode::kInvalidFile, "{}: too large for a picture",
        path);
  int width = 0, height = 0, channels = 0;
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const int known = stbi_info_from_memory(data, int(bytes.size()), &width, &height, &channels);
  const int wanted = channels <= 2 ? 1 : 3;  // alpha is dropped
  // stb does not notice that a PPM or PGM ends early, and leaves the rest as it was.
  if (known != 0 && (bytes.starts_with("P5") || bytes.starts_with("P6"))) {
    const int wide = stbi_is_16_bit_from_memory(data, int(bytes.size())) != 0 ? 2 : 1;
    const size_t header = 9;  // at least: "P5 1 1 1 "
    const size_t needed = header + size_t(width) * size_t(height) * size_t(channels * wide);
    check(bytes.size() >= needed, ErrorCode::kInvalidFile,
          "{}: no picture that can be decoded "
          "({} bytes, where {}x{} needs {})",
          path, bytes.size(), width, height, needed);
  }
  stbi_uc* pixels = known == 0 ? nullptr
                               : stbi_load_from_memory(data, int(bytes.size()), &width, &height,
                                                       &channels, wanted);
  check(pixels != nullptr, ErrorCode::kInvalidFile, "{}: no picture that can be decoded ({})", path,
        stbi_failure_reason() != nullptr ? stbi_failure_reason() : "unknown format");
  Picture picture{height, width, wanted, {}};
  picture.bytes.assign(pixels, pixels + size_t(width) * size_t(height) * size_t(wanted));
  stbi_image_free(pixels);
  return picture;
}

std::pair<int64_t, int64_t> picture_extents(const std::string& path) {
  const std::string bytes = read_file(path);
  int width = 0, height = 0, channels = 0;
  const bool known = bytes.size() < (size_t{1} << 30) &&
                     stbi_info_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()),
                                           int(bytes.size()), &width, &height, &channels) != 0;
  check(known, ErrorCode::kInvalidFile, "{}: no picture that can be decoded ({})", path,
        stbi_failure_reason() != nullptr ? stbi_failure_reason() : "unknown format");
  return {height, width};
}

bool is_picture_name(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  for (const char* known : {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tga", ".gif"}) {
    if (ending == known) return true;
  }
  return false;
}

}  // namespace octile
