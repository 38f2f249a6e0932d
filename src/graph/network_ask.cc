// Network: questions, and the topological order.
#include <algorithm>
#include <functional>
#include <queue>

#include "base/error.h"
#include "octile/network.h"

namespace octile {

bool Network::alive(LayerId layer) const {
  return layer.index >= 0 && layer.index < layer_count() &&
         layers_[static_cast<size_t>(layer.index)].alive;
}

bool Network::alive(TensorId tensor) const {
  return tensor.index >= 0 && tensor.index < tensor_count() &&
         tensors_[static_cast<size_t>(tensor.index)].alive;
}

/// Kahn's algorithm; among the layers that are ready, the one added first.
std::vector<LayerId> Network::layers() const {
  std::vector<int> waiting(layers_.size(), 0);
  std::vector<std::vector<int32_t>> consumers_of(layers_.size());
  std::priority_queue<int32_t, std::vector<int32_t>, std::greater<>> ready;
  for (int32_t index = 0; index < layer_count(); ++index) {
    const LayerRecord& record = layers_[static_cast<size_t>(index)];
    if (!record.alive) continue;
    for (TensorId input : record.inputs) {
      const LayerId from = tensors_[static_cast<size_t>(input.index)].producer;
      if (!from.valid()) continue;
      consumers_of[static_cast<size_t>(from.index)].push_back(index);
      ++waiting[static_cast<size_t>(index)];
    }
    if (waiting[static_cast<size_t>(index)] == 0) ready.push(index);
  }
  std::vector<LayerId> order;
  while (!ready.empty()) {
    const int32_t index = ready.top();
    ready.pop();
    order.push_back({index});
    for (int32_t consumer : consumers_of[static_cast<size_t>(index)]) {
      if (--waiting[static_cast<size_t>(consumer)] == 0) ready.push(consumer);
    }
  }
  return order;
}

const Op& Network::op(LayerId layer) const { return at(layer).op; }
const std::string& Network::name(LayerId layer) const { return at(layer).name; }
const std::vector<TensorId>& Network::inputs(LayerId layer) const { return at(layer).inputs; }
const std::vector<TensorId>& Network::outputs(LayerId layer) const { return at(layer).outputs; }

TensorId Network::output(LayerId layer, int index) const {
  const LayerRecord& record = at(layer);
  check(index >= 0 && index < static_cast<int>(record.outputs.size()), ErrorCode::kInvalidArgument,
        "layer '{}' ({}) has {} outputs, so there is no output {}", record.name, name_of(record.op),
        record.outputs.size(), index);
  return record.outputs[static_cast<size_t>(index)];
}

Precision Network::precision(LayerId layer) const { return at(layer).precision; }
std::optional<Scheme> Network::scheme(LayerId layer) const { return at(layer).scheme; }
std::optional<Range> Network::dynamic_range(TensorId tensor) const { return at(tensor).range; }

const std::string& Network::name(TensorId tensor) const { return at(tensor).name; }
DataType Network::type(TensorId tensor) const { return at(tensor).type; }
const Shape& Network::shape(TensorId tensor) const { return at(tensor).shape; }
LayerId Network::producer(TensorId tensor) const { return at(tensor).producer; }

std::vector<LayerId> Network::consumers(TensorId tensor) const {
  at(tensor);
  std::vector<LayerId> result;
  for (int32_t index = 0; index < layer_count(); ++index) {
    const LayerRecord& record = layers_[static_cast<size_t>(index)];
    const bool uses =
        std::find(record.inputs.begin(), record.inputs.end(), tensor) != record.inputs.end();
    if (record.alive && uses) result.push_back({index});
  }
  return result;
}

const Tensor* Network::constant_value(TensorId tensor) const {
  const LayerId from = at(tensor).producer;
  return from.valid() ? at(from).value.get() : nullptr;
}

bool Network::is_output(TensorId tensor) const {
  return std::find(outputs_.begin(), outputs_.end(), tensor) != outputs_.end();
}

std::optional<TensorId> Network::find_tensor(std::string_view name) const {
  const auto found = tensor_names_.find(std::string(name));
  if (found == tensor_names_.end()) return std::nullopt;
  return TensorId{found->second};
}

std::optional<LayerId> Network::find_layer(std::string_view name) const {
  const auto found = layer_names_.find(std::string(name));
  if (found == layer_names_.end()) return std::nullopt;
  return LayerId{found->second};
}

}  // namespace octile
