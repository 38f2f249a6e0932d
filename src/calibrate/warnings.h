// What a user must hear about the tensors of a calibration: one message a kind, not one a tensor.
#pragma once

#include <string>
#include <vector>

#include "octile/calibration.h"

namespace octile {

/// Messages about constant, all-zero, NaN, infinite and never seen tensors. They name the first
/// few tensors, say what the result is and what to do.
std::vector<std::string> degenerate_warnings(const CalibrationData& data);

/// A message about the tensors of which the table's range (either one) cuts off more than 1 % of
/// the values, or "". Percentiles are asked for by the share that they cut: no message.
std::string clipping_warning(const CalibrationData& data, const CalibrationTable& table);

/// "'a', 'b', 'c' and 5 more".
std::string name_list(const std::vector<std::string>& names);

}  // namespace octile
