// See rewrite.h.
#include "compile/rewrite.h"

#include "compile/free_name.h"

namespace octile {

bool is_asked_for(const Network& network, LayerId layer) {
  return network.precision(layer) != Precision::kAuto || network.scheme(layer) ||
         network.dynamic_range(network.output(layer));
}

LayerId droppable_producer(const Network& network, TensorId tensor) {
  const LayerId layer = network.producer(tensor);
  if (!layer.valid() || network.is_output(tensor) || network.consumers(tensor).size() != 1 ||
      network.outputs(layer).size() != 1 || is_asked_for(network, layer)) {
    return {};
  }
  return layer;
}

LayerId put_in_place(Network& network, LayerId old, Op op, const std::vector<TensorId>& inputs) {
  const std::string name = network.name(old);
  const TensorId x = network.output(old);
  const std::string tensor_name = network.name(x);
  const LayerId layer = network.add(std::move(op), inputs, free_name(network, name + ".new"));
  const TensorId y = network.output(layer);
  network.set_precision(layer, network.precision(old));
  if (const auto scheme = network.scheme(old)) network.set_scheme(layer, *scheme);
  if (const auto range = network.dynamic_range(x)) network.set_dynamic_range(y, *range);
  network.replace_uses(x, y);
  network.remove(old);
  network.rename(layer, name);
  network.rename(y, tensor_name);
  return layer;
}

float scalar_or(const Network& network, TensorId tensor, float fallback) {
  const Tensor* value = network.constant_value(tensor);
  const bool fits = value != nullptr && value->type() == DataType::kFloat32 && value->volume() == 1;
  return fits ? value->as<float>()[0] : fallback;
}

}  // namespace octile
