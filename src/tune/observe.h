// Runs the float network over all samples and hands out a few of its tensors, in the samples'
// order: what recipes measure channels with.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "octile/calibration.h"

namespace octile {

/// Values of the wanted tensors in one chunk, by name. `rows`: its samples (a fixed batch's last
/// chunk repeats its last sample to fill up).
using ChunkConsumer =
    std::function<void(int64_t rows, const std::map<std::string, Tensor>& values)>;

/// Rewinds `source`, runs every sample (chunks in parallel, one thread each, as calibration does)
/// and calls `consume` chunk after chunk from the calling thread: sums over it do not depend on
/// the number of threads. Tensors of more than one element a channel come in the engine's layout,
/// so ask for reduced ones. Returns the number of samples; throws kInvalidArgument for none.
int64_t observe(const Network& network, BatchSource& source, const CalibrationOptions& options,
                const std::vector<std::string>& names, std::string_view phase,
                const ChunkConsumer& consume);

}  // namespace octile
