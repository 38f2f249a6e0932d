// The state of an unfinished collection in a file, so that an interrupted one can go on.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "octile/calibration.h"

namespace octile {

/// What a collection must have in common with a checkpoint to go on from it.
struct CollectionKey {
  std::string model_digest, data_digest, preprocess, path, shapes;
  bool operator==(const CollectionKey&) const = default;
};

/// How far a collection came: the first `done` samples are in.
struct CollectionState {
  bool counting = false;          // the second pass is under way; `ranges` is whole
  int64_t done = 0;               // samples of the current pass
  int64_t samples = 0;            // all samples: known in the second pass
  std::vector<Histogram> ranges;  // one a tensor, in the collector's order
  std::vector<Histogram> counts;  // likewise; second pass alone
};

/// A Checkpoint writes the state now and then, and reads it back. With an empty file name it does
/// nothing. Not thread-safe.
class Checkpoint {
 public:
  Checkpoint(const CalibrationOptions& options, CollectionKey key, std::vector<std::string> names);
  /// What an earlier run left for the same collection; else nullopt, with a warning when the file
  /// is another collection's or damaged.
  std::optional<CollectionState> load() const;
  /// True when it is time to write again.
  bool due() const;
  void save(const CollectionState& state);
  /// The collection is complete.
  void remove() const;

 private:
  using Clock = std::chrono::steady_clock;
  std::string encode(const CollectionState& state) const;
  std::optional<CollectionState> decode(std::string_view bytes, std::string& problem) const;

  const CalibrationOptions& options_;
  CollectionKey key_;
  std::vector<std::string> names_;
  Clock::time_point next_;
};

}  // namespace octile
