// Arrays in the shape of a network input: what may be reshaped, what is transposed, what is
// refused.
#pragma once

#include <string>

#include "octile/tensor.h"

namespace octile {

/// Brings `rows` (samples on axis 0) to `input`'s shape (empty: any). Reshaped are flat samples,
/// (N, 784), and samples that differ by axes of extent 1 alone. A channels-last array
/// (`channels_last`: the preprocessing says so) is transposed where that makes it fit. Everything
/// else is refused, naming both shapes. True if the axes are the array's own still.
bool fit_array(Tensor& rows, const Shape& input, bool channels_last, const std::string& origin);

}  // namespace octile
