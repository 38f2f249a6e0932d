// The seam between who shares a collection out and what fills histograms: a CPU or a GPU.
#pragma once

#include <string>
#include <vector>

#include "calibrate/chunks.h"
#include "octile/calibration.h"

namespace octile {

/// The two passes of a collection over all that a reader gives. The engine stays compiled between
/// calls. Not thread-safe.
class Passes {
 public:
  virtual ~Passes() = default;
  /// Of the observed tensors, in the order of the histograms.
  virtual const std::vector<std::string>& names() const = 0;
  /// `total`: the number of samples for the progress, -1 where it is not known.
  virtual std::vector<Histogram> ranges(ChunkReader& reader, int64_t total) = 0;
  /// `ranges`: merged over all samples.
  virtual std::vector<Histogram> counts(ChunkReader& reader, int64_t total,
                                        const std::vector<Histogram>& ranges) = 0;
};

}  // namespace octile
