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
  std::vector<std::string> recipes;
  DataFlags flags;
  /// `about_cache`: what --cache means to this command.
  void add(CLI::App& command, const std::string& about_cache);
  /// --recipe, for commands that quantize after calibrating.
  void add_recipes(CLI::App& command);
  /// Refuses at once what would fail after a long calibration.
  void check() const;
  /// Calibrates from --calibrate. Checkpoints stand beside the cache, or beside the file named
  /// where there is none: "<file>.partial".
  CalibrationTable collect(const Session& session, const Network& network,
                           const std::string& beside) const;
  /// What --calibrate holds, counted (again): for pictures of it. Prepared as --preprocess says,
  /// else as `known`, a table's own.
  CalibrationData histograms(const Session& session, const Network& network,
                             const std::string& known) const;
  void write(const CalibrationTable& table, bool tensorrt, const std::string& version) const;
  /// The life cycle: an existing --cache is read, and refused when it was made for another model,
  /// method, preprocessing or, with --calibrate, other samples; else --calibrate is collected and
  /// --cache written. nullopt when neither was given.
  std::optional<CalibrationTable> obtain(const Session& session, const Network& network,
                                         const std::string& beside) const;
  /// The recipes that come before obtain(), and those after it.
  void before_calibration(const Session& session, Network& network, BuildOptions& options) const;
  void before_build(const Session& session, Network& network, BuildOptions& options,
                    const CalibrationTable* table) const;

 private:
  CalibrationOptions options(const Session& session) const;
  std::unique_ptr<BatchSource> open(const Network& network, const Preprocess& preprocess) const;
  CacheRequirements requirements(const Network& network, const CalibrationTable& table) const;
  CalibrationTable from_cache(const Session& session, const Network& network) const;
  const CLI::Option* method_option_ = nullptr;
  const CLI::Option* percentile_option_ = nullptr;
};

}  // namespace octile::cli
