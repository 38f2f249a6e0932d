// The public build(): compile, with calibration before it when a Calibrator is given.
#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/parallel_for.h"
#include "compile/assign_precision.h"
#include "compile/compile.h"
#include "compile/insert_qdq.h"
#include "compile/passes.h"
#include "compile/profiles.h"
#include "compile/table_ends.h"
#include "compile/weighted.h"
#include "octile/builder.h"
#include "tune/chosen_precisions.h"
#include "tune/precision_choice.h"
#include "tune/precision_text.h"

namespace octile {
namespace {

std::string preprocess_json(const BuildOptions& options) {
  return options.preprocess.is_identity() ? "" : options.preprocess.to_json();
}

/// True when a scheme that `is` holds for is asked for, of the whole or of a layer.
template <typename Predicate>
bool any_scheme(const Network& network, const BuildOptions& options, Predicate is) {
  const auto layers = network.layers();
  return is(options.scheme) ||
         std::any_of(options.layer_scheme.begin(), options.layer_scheme.end(),
                     [&](const auto& entry) { return is(entry.second); }) ||
         std::any_of(layers.begin(), layers.end(), [&](LayerId layer) {
           return network.scheme(layer).has_value() && is(*network.scheme(layer));
         });
}

/// TensorRT's caches hold one number a tensor.
bool is_one_sided(const CalibrationTable& table) { return table.path == "cache"; }

/// [−T, T] in uint8 would be symmetric with a wasted level and slower arithmetic, not affine.
void check_table(const Network& network, const CalibrationTable* table,
                 const BuildOptions& options) {
  if (table == nullptr || !is_one_sided(*table) || !options.int8) return;
  const auto affine = [](Scheme scheme) { return scheme == Scheme::kStaticAffine; };
  check(!any_scheme(network, options, affine), ErrorCode::kInvalidArgument,
        "static-affine needs both ends of every range, but the table comes from a TensorRT cache, "
        "which holds one number a tensor: use static-symmetric, or calibrate with Octile");
}

bool measures(const BuildOptions& options) {
  return options.int8 && options.tactics == BuildOptions::Tactics::kTimed &&
         options.int8_layers == BuildOptions::Int8Layers::kWherePays &&
         options.group_precision.empty();
}

bool any_can_int8(const Network& network, const CalibrationTable* table,
                  const CompileOptions& options) {
  CompileOptions quiet = options;
  quiet.build.log = nullptr;
  const LabelledGraph graph = label_graph(network, table, quiet);
  return std::any_of(graph.labels.begin(), graph.labels.end(),
                     [](const GroupLabel& label) { return label.can_int8; });
}

Plan measured_plan(const Network& network, const CalibrationTable* table,
                   const CompileOptions& options, const PrecisionGoal& goal) {
  const PrecisionChoice choice = choose_precision(network, table, options, goal);
  auto plan = std::make_shared<PlanData>(*choice.candidates[choice.kept].plan);
  plan->precision = precision_json(choice, options.build, goal);
  if (options.build.log) options.build.log(LogLevel::kInfo, summary_of(choice));
  return Plan(std::move(plan));
}

void check_goal(const PrecisionGoal& goal, const BuildOptions& options) {
  if (!goal.max_loss && !goal.min_sqnr_db) return;
  check(measures(options), ErrorCode::kInvalidArgument,
        "max_loss and min_sqnr_db choose which layers run in INT8 by measurement: they need int8, "
        "timed tactics, Int8Layers::kWherePays and no group_precision");
  check(goal.evaluate && goal.samples != nullptr, ErrorCode::kInvalidArgument,
        "max_loss and min_sqnr_db need samples, and evaluate() that runs a plan on them");
  check(!goal.max_loss || *goal.max_loss >= 0.0, ErrorCode::kInvalidArgument,
        "max_loss is {} points; give 0 or more", goal.max_loss.value_or(0.0));
  check(!goal.min_sqnr_db || !std::isnan(*goal.min_sqnr_db), ErrorCode::kInvalidArgument,
        "min_sqnr_db is no number");
}

}  // namespace

void check_options(const Network& network, const BuildOptions& options) {
  Network copy = network;
  apply_requests(copy, options);
  check_pass_names(options.disabled_passes);
  check_metadata(options.metadata, ErrorCode::kInvalidArgument, network.name());
  make_profiles(network, options.profiles);
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const Pass& pass : passes()) names.emplace_back(pass.name);
  return names;
}

Plan build(const Network& network, const CalibrationTable* table, const BuildOptions& options) {
  return build(network, table, options, PrecisionGoal{});
}

Plan build(const Network& network, const CalibrationTable* table, const BuildOptions& options,
           const PrecisionGoal& goal) {
  check_goal(goal, options);
  check_table(network, table, options);
  const ThreadCountScope threads(options.threads);
  CompileOptions compiling{
      .build = options, .keep_tensors = false, .preprocess = preprocess_json(options)};
  if (!options.group_precision.empty()) {
    compiling.labelling = given_labelling(network, table, compiling);
  }
  if (!measures(options) || !any_can_int8(network, table, compiling)) {
    return Plan(compile(network, table, compiling));
  }
  try {
    return measured_plan(network, table, compiling, goal);
  } catch (const CannotTime& error) {
    check(!goal.max_loss && !goal.min_sqnr_db, ErrorCode::kUnsupported,
          "precision cannot be chosen by measurement: the network does not run on made-up inputs "
          "({}); give --int8-layers all and no goal",
          error.what());
    if (options.log) {
      options.log(LogLevel::kWarning,
                  fmt::format("every layer that can runs in INT8, whether it pays or not: the "
                              "network does not run on made-up inputs ({})",
                              error.what()));
    }
    return Plan(compile(network, table, compiling));
  }
}

Plan build(const Network& network, Calibrator& calibrator, const BuildOptions& options) {
  check_options(network, options);
  CalibrationOptions calibration;
  calibration.method = calibrator.method();
  calibration.device = options.device;
  calibration.threads = options.threads;
  calibration.progress = options.progress;
  calibration.log = options.log;
  calibration.preprocess = preprocess_json(options);
  if (!options.profiles.empty()) {
    for (const auto& [name, range] : options.profiles.front()) {
      calibration.input_shapes[name] = range.opt;
    }
  }
  const CalibrationTable table = calibrate(network, calibrator, calibration);
  return build(network, &table, options);
}

std::string_view name_of(QdqStyle style) {
  return style == QdqStyle::kTensorRt ? "tensorrt" : "onnxruntime";
}

QdqStyle qdq_style_from_name(std::string_view name) {
  for (const QdqStyle style : {QdqStyle::kTensorRt, QdqStyle::kOnnxRuntime}) {
    if (name == name_of(style)) return style;
  }
  fail(ErrorCode::kInvalidArgument, "no Q/DQ style is called '{}': tensorrt or onnxruntime", name);
}

std::string_view name_of(Objective objective) {
  switch (objective) {
    case Objective::kLatency: return "latency";
    case Objective::kThroughput: return "throughput";
    case Objective::kSize: break;
  }
  return "size";
}

Objective objective_from_name(std::string_view name) {
  for (const Objective o : {Objective::kLatency, Objective::kThroughput, Objective::kSize}) {
    if (name == name_of(o)) return o;
  }
  fail(ErrorCode::kInvalidArgument, "no objective is called '{}': latency, throughput or size",
       name);
}

std::vector<std::string> passes_against(QdqStyle style) {
  if (style == QdqStyle::kTensorRt) return {};
  return {"recognize-activations"};
}

QuantizedNetwork quantize(const Network& network, const CalibrationTable* table,
                          const BuildOptions& options, QdqStyle style) {
  check(!any_scheme(network, options, is_dynamic), ErrorCode::kInvalidArgument,
        "dynamic schemes cannot be exported: their scales are known at run time alone; use a "
        "static scheme");
  std::optional<CalibrationTable> both_ends;
  if (table != nullptr && is_one_sided(*table) && any_scheme(network, options, is_affine)) {
    both_ends = with_both_ends(network, *table);
    table = &*both_ends;
  }
  const ThreadCountScope threads(options.threads);
  CompileOptions compile{.build = options, .keep_tensors = false, .preprocess = ""};
  auto& disabled = compile.build.disabled_passes;
  for (const std::string& pass : passes_against(style)) disabled.push_back(pass);
  if (!options.group_precision.empty()) {
    compile.labelling = given_labelling(network, table, compile, style);
  }
  QuantizedGraph graph = quantize_graph(network, table, compile, style);
  std::vector<LayerDecision> layers;
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    const Group& group = graph.groups[g];
    layers.push_back({.name = name_of(graph.network, group),
                      .op = name_of(graph.network.op(group.core)),
                      .int8 = graph.labels[g].int8,
                      .weighted = is_weighted(graph.network, group.core),
                      .why = graph.labels[g].note});
  }
  if (style == QdqStyle::kOnnxRuntime) pad_integers(graph.network);
  return {std::move(graph.network), std::move(layers)};
}

Plan retime(const Plan& plan, const BuildOptions& options) {
  return Plan(retime(plan.data(), options));
}

}  // namespace octile
