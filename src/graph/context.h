// Errors of shape rules and evaluations get the layer's name here.
#pragma once

#include <string>

#include "base/error.h"
#include "octile/ops.h"

namespace octile {

/// Runs f(); an Error it throws comes out as "layer 'conv1' (Convolution): …".
template <typename F>
auto with_layer(const std::string& layer, const Op& op, F&& f) {
  try {
    return f();
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("layer '{}' ({}): {}", layer, name_of(op), error.what()));
  }
}

}  // namespace octile
