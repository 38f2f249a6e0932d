// Values that layers of a network compute from extents (Shape, Gather, Concat … of whoever builds a
// Reshape's target by hand), for the two probes of extents.h.
#pragma once

#include <array>
#include <unordered_map>

#include "formats/onnx/extents.h"

namespace octile {

/// ProbedValues goes through a network, producers first, beside Extents.
class ProbedValues {
 public:
  using Pair = std::array<Tensor, 2>;

  /// Computes the layer's output when all that it reads is known so.
  void follow(const Network& network, LayerId layer, const Extents& extents);
  /// The tensor's value for both probes (equal: it hangs on no extent); nullptr when not known.
  const Pair* find(TensorId tensor) const;

 private:
  std::unordered_map<int32_t, Pair> values_;
};

}  // namespace octile
