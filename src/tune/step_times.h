// From the times of steps inside of whole engines to those of groups. Pure data: nothing here
// measures.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "compile/compile.h"
#include "tune/group_times.h"
#include "tune/race.h"

namespace octile {

/// Sums by the name of steps, which is their group's (label_graph() keeps those distinct): layout
/// changes carry it too, so that they count with the group that needs them.
using StepTimings = std::unordered_map<std::string, Timing>;
StepTimings by_name(const PlanData& plan, const std::vector<Timing>& timings);

/// Names of the convolutions that do the Quantize step before them: `absorbed` says by step what an
/// engine leaves to its reader (runtime/fuse_quantize.h).
using StepNames = std::unordered_set<std::string>;
StepNames quantizing_readers(const PlanData& plan, const std::vector<bool>& absorbed);

/// One engine to measure in.
struct Variant {
  std::string name;
  std::vector<Precision> labels;  // by group
  std::shared_ptr<const PlanData> plan = nullptr;
  StepTimings steps = {};
  StepNames quantizing = {};  // quantizing_readers() of the engine
};

/// The group's times in these engines, the first of which is all float; one called "half" is the
/// last. `quantize_ns` is a Quantize step's time on what the group reads first: where only some of
/// the engines leave that step to the group, it does not count with the group.
GroupTimes times_of_group(const std::vector<Variant>& variants, const LabelledGraph& graph,
                          size_t g, double quantize_ns);

/// The group's time in one engine, whose label of it is `label`, less `absorbed_ns` where the
/// engine leaves a Quantize step to it.
TimeInside time_inside(const Variant& engine, const LabelledGraph& graph, size_t g, Label label,
                       double absorbed_ns);

}  // namespace octile
