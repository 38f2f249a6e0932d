// T_quant and T_dequant: times of conversions, which hang on the number of elements alone.
#pragma once

#include <vector>

#include "compile/compile.h"
#include "tune/group_times.h"

namespace octile {

/// Elements of every tensor of the network at the first profile's opt shapes; 0 where values
/// decide, and of what the plan does not hold.
std::vector<int64_t> volumes_of(const LabelledGraph& graph, const PlanData& float_plan);

/// By tensor of the network, of those that groups which can be int8 read or make. Each number of
/// elements is timed once, as x → Quantize → Dequantize on the device that `options` name (`place`
/// is its key); times are read from and added to `times`.
std::vector<ConversionTimes> measure_conversions(const LabelledGraph& graph,
                                                 const std::vector<int64_t>& volumes,
                                                 const CompileOptions& options,
                                                 const std::string& place, TimingCache& times);

}  // namespace octile
