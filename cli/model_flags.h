// Flags that calibrate and build share: the model, and how it is calibrated.
#pragma once

#include <optional>
#include <string>

#include "session.h"

namespace octile::cli {

struct ModelFlags {
  std::string file;
  bool dynamic_batch = false;
  void add(CLI::App& command);
  Network load(const Session& session) const;
};

struct CalibrationFlags {
  std::string data, cache, method = "entropy";
  double percentile = 99.99;
  bool reproducible = false;
  DataFlags flags;
  void add(CLI::App& command);
  /// Calibrates from --calibrate.
  CalibrationTable collect(const Session& session, const Network& network) const;
  void write(const CalibrationTable& table, bool tensorrt, const std::string& version) const;
  /// The life cycle: an existing --cache is read (and its digests checked against the model),
  /// else --calibrate is collected and --cache written. nullopt when neither was given.
  std::optional<CalibrationTable> obtain(const Session& session, const Network& network) const;
};

}  // namespace octile::cli
