// Float tactics by oneDNN: the vendor's library does float, and is the honest T_float.
#pragma once

#include <span>

#include "backend/backend.h"

namespace octile {

std::span<const Tactic* const> onednn_tactics();

/// "oneDNN 2.6.3 up to isa 0xff": the library that runs, and the instruction sets that it may use.
std::string onednn_path();

}  // namespace octile
