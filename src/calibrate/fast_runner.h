// The fast float path: an engine of oneDNN tactics that keeps its tensors (no fusion, no aliasing,
// no reuse of memory), so that calibration can look at all of them.
#pragma once

#include <memory>

#include "calibrate/float_runner.h"

namespace octile {

/// A runner over the fast path, or null when this build has none: calibration then takes the
/// reproducible path and its table says so. Each chunk runs on the calling thread alone.
std::unique_ptr<FloatRunner> make_fast_runner(const Network& network);

}  // namespace octile
