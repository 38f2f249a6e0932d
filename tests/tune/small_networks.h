// What the tests of where INT8 pays make networks of.
#pragma once

#include "octile/network.h"
#include "support/tensors.h"

namespace octile::test {

/// 3×3, the output as large as the input.
inline Window same_window() {
  return {.kernel = {3, 3},
          .stride = {1, 1},
          .dilation = {1, 1},
          .pad_before = {1, 1},
          .pad_after = {1, 1}};
}

/// From 8 channels to 8.
inline TensorId convolution(Network& n, TensorId x, const std::string& name) {
  Random random(7);
  const TensorId weights = n.constant(random_floats({8, 8, 3, 3}, random, 0.2f), name + ".w");
  return n.output(n.add(Convolution{.window = same_window()}, {x, weights}, name));
}

}  // namespace octile::test
