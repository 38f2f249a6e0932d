// The noise that INT8 adds at the network's outputs, group by group: what a build that minimizes
// time + λ · noise weighs, and what a report shows. docs/precision.md defines it.
#pragma once

#include <string>
#include <vector>

#include "octile/builder.h"

namespace octile {

/// What INT8 in one group alone, all others in float, does to the network's outputs.
struct GroupNoise {
  std::string group;  // name_of(group)
  /// Of each float output, over all samples: Σ (with int8 − float)² / Σ float². The mean of these
  /// over the outputs; one that is zero everywhere does not count. Infinite where int8 makes values
  /// that are not finite of float ones that are.
  double noise = 0.0;
  /// −10·log10(noise); +infinity without noise.
  double sqnr_db() const;
};

/// One entry a group that can run in int8, in running order, as compile() would build it if
/// Labelling::Kind::kGiven named it alone. Runs the first `samples` samples of `source` (it is
/// rewound; a fixed batch is filled up with further ones), always on the CPU: once in float, and
/// for each group what lies behind it. The result does not depend on the number of threads.
///
/// Outputs of integers have no such measure. In place of outputs whose shape hangs on values (late
/// ones) stand the float tensors that the late steps before them read; groups among late steps have
/// no entry, which is logged. Where nothing can be measured the result is empty, with one line in
/// `options.log`. Throws kInvalidArgument without samples.
std::vector<GroupNoise> group_noise(const Network& network, const CalibrationTable* table,
                                    const BuildOptions& options, BatchSource& source,
                                    const CalibrationOptions& calibration, int64_t samples = 4);

}  // namespace octile
