// Checks a whole network: what compile() runs first and after every pass.
#pragma once

#include "octile/network.h"

namespace octile {

/// Throws kInvalidArgument naming the layer or tensor unless: there is an output; every input of a
/// layer is alive; no cycles; names are unique; the types and shapes stored are those that the
/// shape rules give; constants have values of their type and shape; manual ranges are in order.
void validate(const Network& network);

}  // namespace octile
