// The CPU rows that are no matrix products: pooling, element-wise, quantization, lookup, softmax,
// moving bytes. cpu_tactics() appends them to its own.
#pragma once

#include <span>

#include "backend/backend.h"

namespace octile {

/// Best first for a step that several accept.
std::span<const Tactic* const> misc_tactics();

}  // namespace octile
