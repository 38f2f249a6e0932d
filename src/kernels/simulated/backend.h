// A GPU made of the host's threads, so that the sanitizers see what the runtime does with one:
// tests build it in (OCTILE_SIMULATED_GPU), users have no use for it. Every step runs by
// host_tactic.h; streams, events, graphs and memory keep CUDA's rules.
#pragma once

#include "backend/backend.h"

namespace octile {

/// Stands in cuda's place, with one device, cuda:0.
const Backend& simulated_backend();

}  // namespace octile
