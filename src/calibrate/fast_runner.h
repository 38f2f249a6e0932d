// The fast float path: an engine of oneDNN tactics that keeps its tensors (no fusion, no aliasing,
// no reuse of memory), so that calibration can look at all of them.
#pragma once

#include <memory>

#include "calibrate/float_runner.h"
#include "octile/engine.h"
#include "plan/plan_data.h"

namespace octile {

/// A runner over the fast path, or null when this build has none: calibration then takes the
/// reproducible path and its table says so. Each chunk runs on the calling thread alone.
std::unique_ptr<FloatRunner> make_fast_runner(const Network& network);

/// A float engine of the network for inputs of these very shapes, with every tensor at a place of
/// its own.
Engine load_keeping(const Network& network, const std::map<std::string, Tensor>& inputs,
                    const std::string& device);

/// By tensor: true for one of each name. A tensor may exist in two layouts.
std::vector<bool> shown_once(const PlanData& plan);

}  // namespace octile
