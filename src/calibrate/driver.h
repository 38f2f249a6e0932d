// The collection of histograms, with the float path as a parameter (tests bring their own).
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "calibrate/chunks.h"
#include "calibrate/float_runner.h"
#include "calibrate/histogram.h"
#include "octile/calibration.h"

namespace octile {

/// Every float32 tensor that depends on a network input, the inputs included, in graph order.
std::vector<TensorId> observed_tensors(const Network& network);

/// Their names, and the places of names among them.
struct ObservedNames {
  explicit ObservedNames(const Network& network);
  std::vector<std::string> names;
  std::unordered_map<std::string, size_t> index;
};

/// Values of a tensor of the chunk that count: rows that only fill up a fixed batch do not.
size_t counted_values(const Chunk& chunk, int64_t batch, const Shape& shape);

/// After the first pass: throws where the source had no samples.
void check_samples(int64_t samples);

/// After the second pass: throws unless it saw the samples and values that the first one saw.
CalibrationData finish_collection(const Network& network, BatchSource& source,
                                  const CalibrationOptions& options, const std::string& path,
                                  const ChunkReader& reader, int64_t samples,
                                  const std::vector<std::string>& names,
                                  const std::vector<Histogram>& ranges,
                                  std::vector<Histogram> counts);

/// collect() on the runners that `factory` makes; `path` names them in the result.
CalibrationData collect_with(const Network& network, BatchSource& source,
                             const CalibrationOptions& options, const RunnerFactory& factory,
                             const std::string& path);

}  // namespace octile
