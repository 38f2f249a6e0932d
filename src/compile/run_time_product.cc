// See run_time_product.h.
#include "compile/run_time_product.h"

#include <algorithm>

#include "compile/weighted.h"

namespace octile {

bool is_run_time_product(const Network& network, LayerId layer) {
  if (!std::holds_alternative<MatrixMultiply>(network.op(layer))) return false;
  const auto& inputs = network.inputs(layer);
  if (inputs.size() != 2 || is_weighted(network, layer)) return false;
  return std::all_of(inputs.begin(), inputs.end(), [&](TensorId t) {
    return network.type(t) == DataType::kFloat32 && network.shape(t).rank() >= 2 &&
           !constant_float(network, t);
  });
}

}  // namespace octile
