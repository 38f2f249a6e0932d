// The oracle of float meaning: runs a network layer by layer through evaluate().
#pragma once

#include <functional>
#include <vector>

#include "octile/network.h"

namespace octile {

/// Sees every network input and every layer output (constants excepted) as it comes into being.
using TensorObserver = std::function<void(TensorId, const Tensor&)>;

/// Outputs of the network, in the order of network.outputs(), for `inputs` in the order of
/// network.inputs(). The bits depend neither on thread count nor on the instruction set. Throws
/// kInvalidArgument naming the input that does not fit or the layer that fails. Tensors are freed
/// after their last use.
std::vector<Tensor> interpret(const Network& network, const std::vector<Tensor>& inputs,
                              const TensorObserver& observer = {});

}  // namespace octile
