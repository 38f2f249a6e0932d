// Layer normalizations that networks spell out, as importers do: mean, difference, mean of squares,
// root, product, then scale and shift by constants.
#pragma once

#include <optional>
#include <vector>

#include "octile/network.h"

namespace octile {

struct Normalization {
  TensorId x;
  int64_t axes = 0;  // the innermost ones
  float epsilon = 0.0f;
  const Tensor* scale = nullptr;  // one value an element of the axes; null: none
  const Tensor* shift = nullptr;
  std::vector<LayerId> layers;  // in running order, from the mean on
};

/// The normalization that starts with the layer `mean` and goes on to `last` at most (invalid: as
/// far as it goes), whose inner tensors nothing else reads.
std::optional<Normalization> normalization_from(const Network& network, LayerId mean,
                                                LayerId last = {});

}  // namespace octile
