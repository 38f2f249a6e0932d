// Which samples of a source are delivered, in which order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "octile/data.h"

namespace octile {

/// Indices in [0, total): `first` skipped, then `samples` in order, or drawn by `seed`. Throws
/// kInvalidArgument naming `origin` when nothing is left.
std::vector<int64_t> select_samples(int64_t total, const DataOptions& options,
                                    const std::string& origin);

}  // namespace octile
