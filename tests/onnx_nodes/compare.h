// Expected against computed: type, shape and integers exactly, reals within bounds ten times as
// tight as those of ONNX's own runner (rtol 1e-3, atol 1e-7).
#pragma once

#include <string>

#include "octile/tensor.h"

namespace octile::onnx_nodes {

/// |expected − got| ≤ kAbsolute + relative·|expected|. ONNX's own kLooseRelative is for files that
/// hold 16-bit floats, which Octile computes in float32 without rounding, and for the expansions of
/// window functions, which compute with a π of five digits.
inline constexpr double kRelative = 1e-4, kLooseRelative = 1e-3, kAbsolute = 1e-7;

/// Empty when equal, else what differs. NaN equals NaN, infinities must be the same.
std::string difference(const Tensor& expected, const Tensor& got, double relative);

}  // namespace octile::onnx_nodes
