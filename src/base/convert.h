// Given arrays as a network input's type: the one rule for calibration and for running.
#pragma once

#include <string>

#include "octile/tensor.h"

namespace octile {

/// True for the floating-point types.
bool is_real(DataType type);

/// `values` in type `wanted`. To float types any numbers are converted; to integers and bool only
/// what they hold exactly. `where` names file or sample and the input in the error.
Tensor convert_exactly(Tensor values, DataType wanted, const std::string& where);

}  // namespace octile
