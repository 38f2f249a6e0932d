// compile(): reads like the line of phases in compile.h.
#include "compile/compile.h"

#include <algorithm>

#include "backend/backend.h"
#include "base/error.h"
#include "compile/assign_precision.h"
#include "compile/group.h"
#include "compile/insert_qdq.h"
#include "compile/lower.h"
#include "compile/passes.h"
#include "compile/profiles.h"
#include "compile/select_tactics.h"
#include "compile/sink_quantize.h"
#include "compile/store_half.h"
#include "compile/store_unsigned.h"
#include "graph/validate.h"
#include "plan/keep_tensors.h"

namespace octile {
namespace {

std::vector<std::string> notes_of(const std::vector<GroupLabel>& labels) {
  std::vector<std::string> notes;
  for (const GroupLabel& label : labels) notes.push_back(label.note);
  return notes;
}

void warn_overruled(const TensorRanges& ranges, const BuildOptions& build) {
  constexpr size_t kShown = 6;
  const auto& names = ranges.overruled();
  if (!build.int8 || !build.log || names.empty()) return;
  std::string list;
  for (size_t i = 0; i < std::min(kShown, names.size()); ++i) list += "\n  " + names[i];
  build.log(LogLevel::kWarning,
            fmt::format("{} manual ranges give way: pooling, reshaping, slicing and concatenation "
                        "keep one range for input and output (a concatenation's output's, else the "
                        "first tensor's):{}{}",
                        names.size(), list, names.size() > kShown ? "\n  …" : ""));
}

/// A manual range on what passes fold away would change nothing silently.
void warn_folded(const Network& original, const Network& network, const BuildOptions& build) {
  if (!build.int8 || !build.log) return;
  std::string list;
  for (int32_t i = 0; i < original.tensor_count(); ++i) {
    const TensorId t{i};
    const bool gone = original.alive(t) && original.dynamic_range(t) && !network.alive(t);
    if (gone) list += "\n  " + original.name(t);
  }
  if (list.empty()) return;
  build.log(
      LogLevel::kWarning,
      fmt::format("manual ranges of tensors that no engine holds change nothing: a pass folds "
                  "their layer into the next; give the range of what comes out:{}",
                  list));
}

StepRequests requests_of(const QuantizedGraph& graph) {
  StepRequests asked;
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    const Precision wanted = graph.labels[g].wanted;
    if (wanted != Precision::kAuto) asked[name_of(graph.network, graph.groups[g])] = wanted;
  }
  return asked;
}

void select_with_times(PlanData& plan, const Backend& backend, const Device& device,
                       const BuildOptions& options, TimingCache* times) {
  if (times != nullptr) return select_tactics(plan, backend, device, options, *times);
  TimingCache of_the_file(options.timing_cache);
  select_tactics(plan, backend, device, options, of_the_file);
  of_the_file.save();
}

/// "avx512vnni, timed"; a GPU's level goes with its name.
std::string built_on(const Device& device, const BuildOptions& options) {
  const bool timed = options.tactics == BuildOptions::Tactics::kTimed;
  const std::string chip =
      device.accelerator != nullptr ? fmt::format(" on {}", device.accelerator->name()) : "";
  return fmt::format("{}{}, {}", name_of(device.isa), chip, timed ? "timed" : "first");
}

}  // namespace

bool stores_half(const Device& device, const CompileOptions& options) {
  if (!options.build.fp16 || options.keep_tensors) return false;
  if (device.accelerator != nullptr || options.half_on_cpu) return true;
  if (options.build.log) {
    options.build.log(LogLevel::kWarning,
                      "float16 was allowed, but a CPU computes in float32: nothing changes; build "
                      "for a GPU (device cuda:0)");
  }
  return false;
}

LabelledGraph label_graph(const Network& original, const CalibrationTable* table,
                          const CompileOptions& options, QdqStyle style) {
  const BuildOptions& build = options.build;
  validate(original);
  check(!original.outputs().empty(), ErrorCode::kInvalidArgument,
        "network '{}' has no outputs; mark one", original.name());
  Network network = original;
  apply_requests(network, build);
  if (!options.keep_tensors) run_passes(network, build.disabled_passes, build.log);
  warn_folded(original, network, build);
  auto groups = make_groups(network, !options.keep_tensors, style == QdqStyle::kTensorRt);
  make_names_distinct(network, groups);
  TensorRanges ranges(network, groups, table);
  warn_overruled(ranges, build);
  auto labels = assign_precision(network, groups, ranges, build, options.labelling);
  return {std::move(network), std::move(groups), std::move(labels), std::move(ranges)};
}

QuantizedGraph quantize_graph(const Network& original, const CalibrationTable* table,
                              const CompileOptions& options, QdqStyle style) {
  LabelledGraph graph = label_graph(original, table, options, style);
  insert_qdq(graph.network, graph.groups, graph.labels, graph.ranges, style);
  validate(graph.network);
  return {std::move(graph.network), std::move(graph.groups), std::move(graph.labels)};
}

std::shared_ptr<const PlanData> compile(const Network& original, const CalibrationTable* table,
                                        const CompileOptions& options) {
  const BuildOptions& build = options.build;
  validate(original);
  check_metadata(build.metadata, ErrorCode::kInvalidArgument, original.name());
  const DeviceName where = device_from_name(build.device);
  const Device device = where.backend->open(build.isa, build.threads, where.ordinal);
  std::vector<PlanProfile> profiles = make_profiles(original, build.profiles);
  const QuantizedGraph graph = quantize_graph(original, table, options);

  std::shared_ptr<PlanData> plan = lower(graph.network, graph.groups, notes_of(graph.labels));
  annotate_minima(*plan);
  if (multiplies_unsigned(device.isa) && !options.keep_tensors) store_unsigned(*plan);
  if (stores_half(device, options)) store_half(*plan, requests_of(graph));
  if (!options.keep_tensors) sink_quantize(*plan);
  plan->profiles = std::move(profiles);
  plan->preprocess = options.preprocess;
  plan->metadata = build.metadata;
  select_with_times(*plan, *where.backend, device, build, options.times);
  for (PlanProfile& profile : plan->profiles) {
    if (options.keep_tensors) {
      plan_memory_without_reuse(*plan, profile);
    } else {
      plan_memory(*plan, profile);
    }
  }
  plan->built_on = built_on(device, build);
  return plan;
}

std::shared_ptr<const PlanData> retime(const PlanData& plan, const BuildOptions& options) {
  auto copy = std::make_shared<PlanData>(plan);
  const DeviceName where = device_from_name(options.device);
  const Device device = where.backend->open(options.isa, options.threads, where.ordinal);
  select_with_times(*copy, *where.backend, device, options, nullptr);
  copy->built_on = built_on(device, options);
  return copy;
}

}  // namespace octile
