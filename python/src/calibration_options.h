// Keywords of calibrate() and collect(), which build() and quantize() share.
#pragma once

#include <nanobind/nanobind.h>

#include "calls.h"
#include "octile/calibration.h"

namespace octile::python {

/// Sets the options that `keywords` names (method, percentile, reproducible, input_shapes,
/// checkpoint) and removes them from it.
CalibrationOptions take_calibration_options(nb::dict& keywords);
/// Those shared with build(): threads, progress, log, preprocess.
void take_run_options(nb::dict& keywords, Calls& calls, CalibrationOptions& options);
/// Preprocess::to_json() of a text that Preprocess::parse() takes, or of JSON; "" for none.
std::string preprocess_json(const std::string& text);

}  // namespace octile::python
