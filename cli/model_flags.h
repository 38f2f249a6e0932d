// Flags that calibrate and build share: the model, and how it is calibrated.
#pragma once

#include <optional>
#include <string>

#include "session.h"

namespace octile::cli {

struct ModelFlags {
  std::string file;
  bool dynamic_batch = false;
  ConstantFlags constants;
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
  /// The life cycle: an existing --cache is read, and refused when it was made for another model,
  /// method, preprocessing or, with --calibrate, other samples; else --calibrate is collected and
  /// --cache written. nullopt when neither was given.
  std::optional<CalibrationTable> obtain(const Session& session, const Network& network) const;

 private:
  CalibrationOptions options(const Session& session) const;
  std::unique_ptr<BatchSource> open(const Network& network, const Preprocess& preprocess) const;
  /// An error that says what the cache was made for instead.
  void check_cache(const CalibrationTable& table, const Network& network) const;
  CalibrationTable from_cache(const Session& session, const Network& network) const;
  const CLI::Option* method_option_ = nullptr;
};

}  // namespace octile::cli
