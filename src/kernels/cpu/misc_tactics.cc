// The table of misc_tactics.h.
#include "kernels/cpu/misc_tactics.h"

namespace octile {

std::span<const Tactic* const> misc_tactics() { return {}; }

}  // namespace octile
