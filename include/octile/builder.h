// From a network and a calibration table to a plan.
#pragma once

#include <functional>
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

/// What assigning precision makes least: the time of one run, the time of a run where every core
/// runs one of its own, or the bytes of the plan (then time).
enum class Objective : uint8_t { kLatency, kThroughput, kSize };
/// "latency", "throughput", "size".
std::string_view name_of(Objective objective);
Objective objective_from_name(std::string_view name);

struct BuildOptions {
  /// False: a float engine.
  bool int8 = false;
  /// Which layers run in INT8, of those that can (docs/precision.md). kWherePays: those for which
  /// it pays on `device`, by measurement; a float engine, one all in INT8 and the chosen one are
  /// timed as a whole, and the quickest is kept. kAll: every one but single layers between float
  /// ones. Tactics::kFirst measures nothing, so that it means kAll.
  enum class Int8Layers : uint8_t { kWherePays, kAll } int8_layers = Int8Layers::kWherePays;
  Objective objective = Objective::kLatency;
  /// Allows half precision where layers do not run in int8 (docs/gpu.md, "Half precision"):
  /// products and convolutions, and what follows them, read and write float16 and sum in float32.
  /// Inputs and outputs keep their types. Told once and without effect where `device` is a CPU.
  bool fp16 = false;
  Scheme scheme = Scheme::kStaticSymmetric;
  /// How a channel's weight scale is found: max|w| / 127, or the scale below it of least Σ (w −
  /// q)².
  enum class WeightScales : uint8_t { kMax, kLeastSquares } weight_scales = WeightScales::kMax;
  /// By layer name; the network's own requests (Network::set_precision …) come first, these win.
  /// kInt8 needs `int8`, kFloat16 `fp16`.
  std::map<std::string, Precision> layer_precision;
  std::map<std::string, Scheme> layer_scheme;
  /// What an earlier build chose (chosen_precisions()), by group: layers that run as one, joined by
  /// " + ". Where it is not empty nothing is measured but tactics: groups run in what it says,
  /// those that it does not name in float, and requests for layers win. What does not fit the
  /// network is told in one warning; where no group does, build() throws. kInt8 needs `int8`,
  /// kFloat16 `fp16`.
  std::map<std::string, Precision> group_precision;
  /// Empty: static inputs, or for dynamic ones an error that says which.
  std::vector<Profile> profiles;
  /// kFirst takes the first accepting tactic (deterministic, byte-identical plans); kTimed
  /// measures.
  enum class Tactics : uint8_t { kFirst, kTimed } tactics = Tactics::kTimed;
  /// Read before and written after timing; empty: none.
  std::string timing_cache;
  /// Where the plan shall run, and where tactics are timed: "cpu", "cuda:0", … (octile/engine.h).
  std::string device = "cpu";
  /// Strongest ISA to use; default: the device's (or OCTILE_FORCE_ISA).
  std::optional<Isa> isa;
  int threads = 0;  // 0: all cores
  /// Names of passes that shall not run (docs/architecture.md lists them).
  std::vector<std::string> disabled_passes;
  /// Stored in the plan so that `run` and `compare` prepare samples alike.
  Preprocess preprocess;
  /// Free strings that travel with the plan (Plan::metadata()): who built it, from what, the names
  /// of classes … At most 4096, 16 MiB together, keys of 1 to 1024 bytes.
  std::map<std::string, std::string> metadata;
  ProgressFunction progress;
  LogCallback log;
};

/// How an engine does on samples, beside the float network.
struct Accuracy {
  /// Of the worst output, over the samples in which it can be compared; +infinity when equal.
  std::optional<double> sqnr_db;
  /// Outputs that could not be compared in every sample, each with in how many not. An engine that
  /// has one is not known to keep to PrecisionGoal::min_sqnr_db, and counts as if it did not.
  std::vector<std::string> not_compared = {};
  std::optional<double> metric, reference;  // in points, the engine's and the float network's
};

/// What a build that measures shall keep to, beyond being quick (docs/precision.md).
struct PrecisionGoal {
  /// The metric may lie this many points below the float network's; the least SQNR of the outputs.
  std::optional<double> max_loss, min_sqnr_db;
  /// Runs a plan on samples; both goals need it, and what they are about in its answer. Where it is
  /// given without a goal, what it says of the float, the all-INT8 and the chosen engine goes into
  /// Plan::precision().
  std::function<Accuracy(const Plan&)> evaluate;
  std::string metric;  // its name, for people: "top1"
  /// What each layer's noise is measured on, the first `noise_samples` of them. Goals need it;
  /// where it is given without one, the curve of time against noise goes into Plan::precision().
  BatchSource* samples = nullptr;
  int64_t noise_samples = 4;
  CalibrationOptions calibration;  // shapes and threads of those runs
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

/// The same under a goal: the quickest engine that keeps to it, verified on the built plan. Throws
/// kInvalidArgument where the goal lacks samples or evaluate(), and where `options` measure nothing
/// (a float engine, Tactics::kFirst, Int8Layers::kAll, group_precision), and where min_sqnr_db
/// cannot be verified, since not even the float engine's outputs can be compared.
Plan build(const Network& network, const CalibrationTable* table, const BuildOptions& options,
           const PrecisionGoal& goal);

/// What the build of `plan` chose, by group. As BuildOptions::group_precision it gives the same
/// labels again without measuring. Throws kInvalidArgument for a plan that was built without
/// measuring, or where `network` has no layer of any group.
std::map<std::string, Precision> chosen_precisions(const Plan& plan, const Network& network);

/// Calibrates (life cycle of Calibrator) and builds.
Plan build(const Network& network, Calibrator& calibrator, const BuildOptions& options);

/// Names of the recipes, ways to make INT8 more accurate without other data or training
/// (docs/accuracy.md), in the order in which they are applied.
std::vector<std::string> recipe_names();

/// Throws kInvalidArgument for a name that is no recipe's.
void check_recipe_names(const std::vector<std::string>& names);

/// Applies those of `recipes` that change the float network before its ranges are collected:
/// `network` becomes the one to calibrate (the float function stays the same up to rounding), and
/// requests of `options` go to its layers, since passes run first. `samples` are run once for each
/// recipe that measures; null: such a recipe throws kInvalidArgument.
void before_calibration(Network& network, BuildOptions& options,
                        const std::vector<std::string>& recipes, BatchSource* samples,
                        const CalibrationOptions& calibration);

/// Applies the others, with the ranges known: `network` and `options` become those to build from
/// with the same table. After it the network is no longer the float one: its biases make up for
/// quantization.
void before_build(Network& network, BuildOptions& options, const CalibrationTable* table,
                  const std::vector<std::string>& recipes, BatchSource* samples,
                  const CalibrationOptions& calibration);

/// Where Quantize and Dequantize layers stand (docs/export.md).
/// kTensorRt: on what int8 layers read, residuals of fused adds included: TensorRT's rules, and
/// what build() makes. kOnnxRuntime: on what they write too, so that every int8 layer stands
/// between pairs; adds are layers of their own, biases int32.
enum class QdqStyle : uint8_t { kTensorRt, kOnnxRuntime };
/// "tensorrt", "onnxruntime".
std::string_view name_of(QdqStyle style);
QdqStyle qdq_style_from_name(std::string_view name);

/// Passes that quantize() leaves out for a style, since the runtime fuses more without them: ONNX
/// Runtime has int8 kernels for Sigmoid and Mul, but none for Swish.
std::vector<std::string> passes_against(QdqStyle style);

/// What became of layers that run as one.
struct LayerDecision {
  std::string name;     // of the layers, joined by " + "
  std::string_view op;  // of the first
  bool int8 = false;
  bool weighted = false;  // a convolution or a product with constant weights
  std::string why;        // it stays float; empty where INT8 has no arithmetic for it
};

/// A network with its INT8 in it, as Quantize and Dequantize layers.
struct QuantizedNetwork {
  Network network;
  std::vector<LayerDecision> layers;
};

/// Quantizes without building: what build() does up to the choice of kernels. Of the options those
/// count that concern passes and precision. A table from a TensorRT cache serves static-affine too:
/// which tensors have no negative values is read off the network. Throws kInvalidArgument for a
/// dynamic scheme (its scales are no constants), and what build() throws.
QuantizedNetwork quantize(const Network& network, const CalibrationTable* table,
                          const BuildOptions& options, QdqStyle style);

/// The same plan with tactics chosen anew for this machine (options: tactics, timing_cache, isa,
/// threads, progress). Results do not change: tactics of int8 steps are bit-equal. Metadata stays
/// the plan's.
Plan retime(const Plan& plan, const BuildOptions& options);

}  // namespace octile
