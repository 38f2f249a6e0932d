// Running samples through the float network on the CPU: a chunk runs on one thread, chunks run in
// parallel, each thread fills its own histograms, and those merge exactly.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calibrate/chunks.h"
#include "calibrate/driver.h"
#include "calibrate/float_runner.h"
#include "calibrate/histogram.h"
#include "calibrate/passes.h"

namespace octile {

/// Gets the values of one tensor in one chunk; `thread` owns what it fills.
using Sink = std::function<void(int thread, size_t tensor, std::span<const float> values)>;

/// A Collector shows the values of all observed tensors, pass after pass; its runners stay
/// compiled. Not thread-safe. What it refers to must outlive it.
class Collector {
 public:
  Collector(const Network& network, const CalibrationOptions& options, RunnerFactory factory);
  const std::vector<std::string>& names() const { return observed_.names; }
  size_t threads() const { return runners_.size(); }

  /// Runs all samples from the `done`th on; `pause` is called between parallel loops, with the
  /// number of samples that are in.
  void pass(ChunkReader& reader, std::string_view phase, int64_t total, int64_t done,
            const Sink& sink, const std::function<void(int64_t)>& pause);

 private:
  void run(const Chunk& chunk, int64_t batch, int thread, const Sink& sink);

  const Network& network_;
  const CalibrationOptions& options_;
  const RunnerFactory factory_;
  const ObservedNames observed_;
  std::vector<std::unique_ptr<FloatRunner>> runners_;  // one a thread, made when it first runs
};

using RangeParts = std::vector<std::vector<Histogram>>;                  // thread, tensor
using CountParts = std::vector<std::vector<std::optional<BinCounter>>>;  // likewise
/// Move what the threads found into `whole`; their parts are fresh again.
void gather(RangeParts& parts, std::vector<Histogram>& whole);
void gather(CountParts& parts, std::vector<Histogram>& whole);

/// Both passes by a Collector, without checkpoints.
std::unique_ptr<Passes> make_cpu_passes(const Network& network, const CalibrationOptions& options,
                                        RunnerFactory factory);

}  // namespace octile
