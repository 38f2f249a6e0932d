// The collection of histograms, with the float path as a parameter (tests bring their own).
#pragma once

#include "calibrate/float_runner.h"
#include "octile/calibration.h"

namespace octile {

/// Every float32 tensor that depends on a network input, the inputs included, in graph order.
std::vector<TensorId> observed_tensors(const Network& network);

/// Throws unless the counting pass saw the values that the range pass saw.
void check_repeatable(const std::string& name, const Histogram& range, const Histogram& counted);

/// collect() on the runners that `factory` makes; `path` names them in the result.
CalibrationData collect_with(const Network& network, BatchSource& source,
                             const CalibrationOptions& options, const RunnerFactory& factory,
                             const std::string& path);

}  // namespace octile
