// What passes do to a network: a layer takes another's place. Names and requests survive, so that
// calibration tables, --precision and --range go on meaning what they meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "octile/network.h"

namespace octile {

/// A layer behind which a transpose moved makes what it made before, in another order: its output
/// is called "<name>.untransposed", and has the range of <name>.
inline constexpr std::string_view kUntransposed = ".untransposed";

/// True when the user wants something of the layer or its (first) output: no pass may drop it.
bool is_asked_for(const Network& network, LayerId layer);

/// The layer whose only purpose `tensor` is: one reader, no output of the network, nothing asked of
/// layer or tensor by the user, so that a pass may drop it. Else an invalid id.
LayerId droppable_producer(const Network& network, TensorId tensor);

/// Puts a layer with `op` on `inputs` in the place of `old` (of one output): it takes its name,
/// its output's name and all requests.
LayerId put_in_place(Network& network, LayerId old, Op op, const std::vector<TensorId>& inputs);

/// A float constant's only element, else `fallback`.
float scalar_or(const Network& network, TensorId tensor, float fallback);

}  // namespace octile
