// Runs one tactic of a GPU on one case: outputs and workspace between guards in device memory, step
// by step and as a replayed graph.
#pragma once

#include <vector>

#include "conformance/case.h"
#include "conformance/runner.h"

namespace octile {

/// Bytes of each output; fails the current test as run_tactic() does. Of `options`, threads and
/// alignment do not matter: device memory is aligned.
std::vector<std::vector<std::byte>> run_tactic_on(const Device& device, const Tactic& tactic,
                                                  const Case& c, const RunOptions& options = {});

}  // namespace octile
