// One node test on Octile's ordinary path: import, build a float engine, run it, compare; the plain
// interpreter on the same network is compared as well.
#pragma once

#include <string>

#include "onnx_nodes/node_case.h"

namespace octile::onnx_nodes {

struct Outcome {
  std::string failure;          // empty: passed
  bool with_constants = false;  // some inputs had to be given as constants
};

/// Never throws: an exception of any kind is a failure.
///
/// Which inputs become constants: none at first. Where the import is refused, it is tried again
/// with (1) the integer and bool inputs of rank 0 or 1 behind the first input, then (2) all inputs
/// of rank 0 or 1 behind the first, then (3) the first as well; at most kMostParameters elements.
Outcome attempt(const NodeCase& test);
inline constexpr int64_t kMostParameters = 64;

}  // namespace octile::onnx_nodes
