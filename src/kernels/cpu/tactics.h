// INT8 tactics for x86 and ARM CPUs: one table, best first.
#pragma once

#include <span>

#include "backend/backend.h"

namespace octile {

std::span<const Tactic* const> cpu_tactics();

}  // namespace octile
