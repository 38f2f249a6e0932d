// The rules of docs/arithmetic.md written out once more, from the page: int64 sums, binary64
// arithmetic rounded to binary32 where the page says binary32, an own rounding to nearest even.
// Shares no code with src/, so that the portable tactics are judged by something else.
#pragma once

#include <optional>
#include <vector>

#include "conformance/case.h"

namespace octile {

/// The outputs' bytes; nothing for steps whose outputs are not fixed to the bit.
std::optional<std::vector<std::vector<std::byte>>> by_formula(const Case& c);

}  // namespace octile
