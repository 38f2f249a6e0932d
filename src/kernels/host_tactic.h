// A GPU's steps without a kernel of their own run on the host.
#pragma once

#include "backend/backend.h"

namespace octile {

/// "cuda.host": runs a step on the host in the stream's order, by the CPU's first row that accepts
/// it.
const Tactic& host_tactic();

}  // namespace octile
