// The .npy form of one array, in memory.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "octile/tensor.h"

namespace octile {

/// Reads versions 1 to 3; either byte order, C or Fortran order. `origin` names file and member in
/// errors. Throws kInvalidFile for anything that does not hold together.
Tensor parse_npy(std::string_view bytes, const std::string& origin);
/// Version 1.0, C order, little-endian. bfloat16 is written as float32.
std::string format_npy(const Tensor& array);

}  // namespace octile
