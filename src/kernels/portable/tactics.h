// Plain C++ for every step: the fallback on any machine, and the definition of int8 bits that all
// other tactics are held to (docs/arithmetic.md).
#pragma once

#include <span>

#include "backend/backend.h"

namespace octile {

/// One row accepts each step that a plan may hold.
std::span<const Tactic* const> portable_tactics();

}  // namespace octile
