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
#include "graph/validate.h"

namespace octile {
namespace {

std::vector<std::string> notes_of(const std::vector<GroupLabel>& labels) {
  std::vector<std::string> notes;
  for (const GroupLabel& label : labels) notes.push_back(label.note);
  return notes;
}

/// Every tensor at an offset of its own.
void plan_memory_without_reuse(const PlanData& plan, PlanProfile& profile) {
  std::vector<Shape> max;
  for (const auto& bounds : profile.inputs) max.push_back(bounds.max);
  const auto shapes = infer_all_shapes(plan, max);
  profile.offsets.assign(plan.tensors.size(), -1);
  profile.arena_bytes = 0;
  const std::vector<bool> late = late_tensors(plan);
  const auto external = [&](size_t t) {
    const auto is = [&](int32_t i) { return static_cast<size_t>(i) == t; };
    return late[t] || plan.tensors[t].blob >= 0 ||
           std::any_of(plan.inputs.begin(), plan.inputs.end(), is) ||
           std::any_of(plan.outputs.begin(), plan.outputs.end(), is);
  };
  for (size_t t = 0; t < plan.tensors.size(); ++t) {
    if (external(t)) continue;
    profile.offsets[t] = profile.arena_bytes;
    const auto bytes = shapes[t].volume() * static_cast<int64_t>(size_of(plan.tensors[t].type));
    profile.arena_bytes += (bytes + 63) / 64 * 64;
  }
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

}  // namespace

std::shared_ptr<const PlanData> compile(const Network& original, const CalibrationTable* table,
                                        const CompileOptions& options) {
  const BuildOptions& build = options.build;
  validate(original);
  check(!original.outputs().empty(), ErrorCode::kInvalidArgument,
        "network '{}' has no outputs; mark one", original.name());
  const Device device = cpu_backend().open(build.isa, build.threads);
  std::vector<PlanProfile> profiles = make_profiles(original, build.profiles);

  Network network = original;
  apply_requests(network, build);
  if (!options.keep_tensors) run_passes(network, build.disabled_passes, build.log);
  const std::vector<Group> groups = make_groups(network, !options.keep_tensors);
  const TensorRanges ranges(network, groups, table);
  warn_overruled(ranges, build);
  const std::vector<GroupLabel> labels = assign_precision(network, groups, ranges, build);
  insert_qdq(network, groups, labels, ranges);
  validate(network);

  std::shared_ptr<PlanData> plan = lower(network, groups, notes_of(labels));
  annotate_minima(*plan);
  plan->profiles = std::move(profiles);
  plan->preprocess = options.preprocess;
  select_tactics(*plan, cpu_backend(), device, build);
  for (PlanProfile& profile : plan->profiles) {
    if (options.keep_tensors) {
      plan_memory_without_reuse(*plan, profile);
    } else {
      plan_memory(*plan, profile);
    }
  }
  plan->built_on = fmt::format("{}, {}", name_of(device.isa),
                               build.tactics == BuildOptions::Tactics::kTimed ? "timed" : "first");
  return plan;
}

std::shared_ptr<const PlanData> retime(const PlanData& plan, const BuildOptions& options) {
  auto copy = std::make_shared<PlanData>(plan);
  const Device device = cpu_backend().open(options.isa, options.threads);
  select_tactics(*copy, cpu_backend(), device, options);
  copy->built_on =
      fmt::format("{}, {}", name_of(device.isa),
                  options.tactics == BuildOptions::Tactics::kTimed ? "timed" : "first");
  return copy;
}

}  // namespace octile
