// Float tactics by oneDNN: the vendor's library does float, and is the honest T_float.
#pragma once

#include <span>

#include "backend/backend.h"

namespace octile {

std::span<const Tactic* const> onednn_tactics();

/// "2.6.3": the oneDNN that runs.
std::string onednn_version();

}  // namespace octile
