// What a user must hear about the tensors of a calibration: one message a kind, not one a tensor.
#pragma once

#include <string>
#include <vector>

#include "octile/calibration.h"

namespace octile {

/// Messages about constant, all-zero, NaN, infinite and never seen tensors. They name the first
/// few tensors, say what the result is and what to do.
std::vector<std::string> degenerate_warnings(const CalibrationData& data);

/// "'a', 'b', 'c' and 5 more".
std::string name_list(const std::vector<std::string>& names);

}  // namespace octile
