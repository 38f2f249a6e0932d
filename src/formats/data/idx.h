// IDX and CIFAR files in memory, and finding label files beside image files.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "octile/tensor.h"

namespace octile {

/// The file's bytes, inflated when they begin like gzip. Throws naming the file.
std::string read_maybe_gzip(const std::string& path);
/// True when the bytes begin like an IDX file of unsigned bytes.
bool looks_like_idx(std::string_view bytes);
Tensor parse_idx(std::string_view bytes, const std::string& origin);
/// "…images-idx3-ubyte[.gz]" → the label file beside it, if there is one.
std::optional<std::string> labels_beside(const std::string& images);

}  // namespace octile
