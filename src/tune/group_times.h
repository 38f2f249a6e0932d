// T_float, T_int8, T_quant and T_dequant of every group, measured on the target device.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compile/compile.h"
#include "tune/precision_problem.h"

namespace octile {

/// Nanoseconds of one group's steps inside of runs of a whole engine; nullopt: not possible.
struct GroupTimes {
  double float32 = 0.0;
  std::optional<double> half, int8;
  /// In int8 with a float output written by the kernel itself; nullopt where it was not seen.
  std::optional<double> int8_to_float;
  /// Its int8 times hold the Quantize step of what it reads first: the engine leaves that to it.
  bool quantizes_input = false;
  double spread = 0.0;  // of the int8 time, else of float32 (Timing::spread)
};
/// Conversions of one tensor.
struct ConversionTimes {
  double quantize = 0.0, dequantize = 0.0;
  double dynamic_quantize = 0.0;
  double to_half = 0.0, from_half = 0.0, half_to_int8 = 0.0, int8_to_half = 0.0;
};
struct MeasuredTimes {
  std::vector<GroupTimes> groups;            // by LabelledGraph::groups
  std::vector<ConversionTimes> conversions;  // by tensor of LabelledGraph::network
  std::vector<int64_t> volumes;              // by tensor; 0: not known, or no tensor of the plan
  double run_ns = 0.0;                       // of a run beside its groups and conversions
};

/// The graph's layers may be labelled in any way; which groups can be int8 is what counts. Whole
/// engines are built (all float, all half where allowed, all int8, and two where neighbours
/// differ, so that their int8 groups write float) and run in turn; a group's time is that of its
/// steps in there. Conversions are timed alone, once a number of elements. Times are read from and
/// added to `times`; progress as options say. Throws CannotTime (race.h) before it measures.
MeasuredTimes measure_times(const Network& original, const CalibrationTable* table,
                            const LabelledGraph& graph, const CompileOptions& options,
                            TimingCache& times);

/// One group inside of runs of one engine, whose labels are given. As in `measured`, a Quantize
/// step that the engine leaves to the group counts with it, or does not.
struct TimeInside {
  double ns = 0.0;
  bool writes_float = false;
};
std::vector<TimeInside> group_times_inside(std::shared_ptr<const PlanData> plan,
                                           const LabelledGraph& graph,
                                           const std::vector<Label>& labels,
                                           const MeasuredTimes& measured,
                                           const BuildOptions& build);

/// A network, its shapes, the options that change its steps, and the machine, as one key: what
/// measured times hold for.
std::string measured_on(const Network& original, const LabelledGraph& graph,
                        const CompileOptions& options);

}  // namespace octile
