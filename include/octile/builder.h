// From a network and a calibration table to a plan.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "octile/calibration.h"
#include "octile/network.h"
#include "octile/plan.h"
#include "octile/types.h"

namespace octile {

/// Min, opt and max shape of one input. Tactics are tuned at opt, memory is planned for max.
struct ShapeRange {
  Shape min, opt, max;
};
/// A Profile bounds every dynamic input (by name). An engine can hold several.
using Profile = std::map<std::string, ShapeRange>;

struct BuildOptions {
  /// False: a float engine.
  bool int8 = false;
  Scheme scheme = Scheme::kStaticSymmetric;
  /// How a channel's weight scale is found: max|w| / 127, or the scale below it of least Σ (w − q)².
  enum class WeightScales : uint8_t { kMax, kLeastSquares } weight_scales = WeightScales::kMax;
  /// By layer name; the network's own requests (Network::set_precision …) come first, these win.
  /// kInt8 needs `int8`.
  std::map<std::string, Precision> layer_precision;
  std::map<std::string, Scheme> layer_scheme;
  /// Empty: static inputs, or for dynamic ones an error that says which.
  std::vector<Profile> profiles;
  /// kFirst takes the first accepting tactic (deterministic, byte-identical plans); kTimed
  /// measures.
  enum class Tactics : uint8_t { kFirst, kTimed } tactics = Tactics::kTimed;
  /// Read before and written after timing; empty: none.
  std::string timing_cache;
  /// Strongest ISA to use; default: the machine's (or OCTILE_FORCE_ISA).
  std::optional<Isa> isa;
  int threads = 0;  // 0: all cores
  /// Names of passes that shall not run (docs/architecture.md lists them).
  std::vector<std::string> disabled_passes;
  /// Stored in the plan so that `run` and `compare` prepare samples alike.
  Preprocess preprocess;
  ProgressFunction progress;
  LogCallback log;
};

/// Throws what build() would about names, shapes and flags in `options`, in no time: call it before
/// a long calibration. kInvalidArgument naming the layer, pass, profile or input.
void check_options(const Network& network, const BuildOptions& options);

/// The passes that `disabled_passes` can name, in running order.
std::vector<std::string> pass_names();

/// Builds a plan. `table` may be null for float and dynamic schemes; with a static scheme every
/// layer whose tensors have no range stays float, told in one warning.
/// A table from a TensorRT cache holds |range| alone: kStaticAffine is refused with it.
/// Throws kInvalidArgument / kUnsupported naming the layer, tensor or profile.
Plan build(const Network& network, const CalibrationTable* table, const BuildOptions& options);

/// Calibrates (life cycle of Calibrator) and builds.
Plan build(const Network& network, Calibrator& calibrator, const BuildOptions& options);

/// Names of the recipes, ways to make INT8 more accurate without other data or training
/// (docs/accuracy.md), in the order in which they are applied.
std::vector<std::string> recipe_names();

/// Throws kInvalidArgument for a name that is no recipe's.
void check_recipe_names(const std::vector<std::string>& names);

/// Applies those of `recipes` that change the float network before its ranges are collected;
/// calibrate what it returns. The float function stays the same up to rounding. `samples` are run
/// once for each recipe that measures; null: such a recipe throws kInvalidArgument.
Network before_calibration(const Network& network, const std::vector<std::string>& recipes,
                           BatchSource* samples, const CalibrationOptions& calibration);

/// Applies the others, with the ranges known: `network` and `options` become those to build from
/// with the same table. After it the network is no longer the float one: its biases make up for
/// quantization.
void before_build(Network& network, BuildOptions& options, const CalibrationTable* table,
                  const std::vector<std::string>& recipes, BatchSource* samples,
                  const CalibrationOptions& calibration);

/// The same plan with tactics chosen anew for this machine (options: tactics, timing_cache, isa,
/// threads, progress). Results do not change: tactics of int8 steps are bit-equal.
Plan retime(const Plan& plan, const BuildOptions& options);

}  // namespace octile
