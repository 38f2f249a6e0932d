// The canonical order of a convolution's weights.
#pragma once

#include "octile/tensor.h"

namespace octile {

/// (M, C, kh, kw) → (M, kh·kw, 1, C) for elements of any size.
Tensor channels_innermost(const Tensor& weights);

}  // namespace octile
