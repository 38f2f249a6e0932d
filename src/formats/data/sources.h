// The kinds of sources behind open_data(), one function each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "octile/data.h"

namespace octile {

/// Arrays with the samples on axis 0; labels may be empty.
std::unique_ptr<BatchSource> open_arrays(Batch arrays, std::vector<int64_t> labels,
                                         const DataOptions& options, const std::string& origin);

/// Pictures decoded on demand; labels may be empty.
std::unique_ptr<BatchSource> open_pictures(std::vector<std::string> files,
                                           std::vector<int64_t> labels, const DataOptions& options,
                                           const std::string& origin);

}  // namespace octile
