// See validate.h. Asks through Network's public interface only.
#include "graph/validate.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "graph/context.h"
#include "ops/ops.h"

namespace octile {
namespace {

void validate_wiring(const Network& network, LayerId layer) {
  for (TensorId id : network.inputs(layer)) {
    check(network.alive(id), ErrorCode::kInvalidArgument,
          "layer '{}' reads tensor {}, which was removed", network.name(layer), id.index);
  }
  for (TensorId id : network.outputs(layer)) {
    check(network.alive(id) && network.producer(id) == layer, ErrorCode::kInvalidArgument,
          "layer '{}': its output {} is missing or another layer's", network.name(layer), id.index);
  }
}

std::vector<TensorInfo> infer_layer(const Network& network, LayerId layer) {
  return with_layer(network.name(layer), network.op(layer), [&] {
    std::vector<TensorInfo> in;
    for (TensorId id : network.inputs(layer)) {
      in.push_back({network.type(id), network.shape(id), network.constant_value(id)});
    }
    return infer(network.op(layer), in);
  });
}

void validate_outputs(const Network& network, LayerId layer) {
  const std::vector<TensorId>& outputs = network.outputs(layer);
  std::vector<TensorInfo> infos;
  if (std::holds_alternative<Constant>(network.op(layer))) {
    check(outputs.size() == 1 && network.constant_value(outputs[0]) != nullptr,
          ErrorCode::kInvalidArgument, "constant '{}' has no value", network.name(layer));
    const Tensor& value = *network.constant_value(outputs[0]);
    infos = {{value.type(), value.shape(), nullptr}};
  } else {
    infos = infer_layer(network, layer);
  }
  check(infos.size() == outputs.size(), ErrorCode::kInvalidArgument,
        "layer '{}' has {} outputs, but its op gives {}", network.name(layer), outputs.size(),
        infos.size());
  for (size_t i = 0; i < infos.size(); ++i) {
    check(infos[i].type == network.type(outputs[i]) && infos[i].shape == network.shape(outputs[i]),
          ErrorCode::kInvalidArgument,
          "tensor '{}' is recorded as {} {}, but layer '{}' gives {} {}", network.name(outputs[i]),
          name_of(network.type(outputs[i])), network.shape(outputs[i]).to_string(),
          network.name(layer), name_of(infos[i].type), infos[i].shape.to_string());
  }
}

void validate_tensors(const Network& network) {
  std::unordered_set<std::string_view> names;
  for (int32_t index = 0; index < network.tensor_count(); ++index) {
    const TensorId id{index};
    if (!network.alive(id)) continue;
    check(names.insert(network.name(id)).second && network.find_tensor(network.name(id)) == id,
          ErrorCode::kInvalidArgument, "two tensors are named '{}'", network.name(id));
    const bool is_input =
        std::find(network.inputs().begin(), network.inputs().end(), id) != network.inputs().end();
    check(is_input || network.alive(network.producer(id)), ErrorCode::kInvalidArgument,
          "tensor '{}' is neither an input nor any layer's output", network.name(id));
    const std::optional<Range> range = network.dynamic_range(id);
    check(!range ||
              (std::isfinite(range->min) && std::isfinite(range->max) && range->min <= range->max),
          ErrorCode::kInvalidArgument, "tensor '{}' has the range [{}, {}]", network.name(id),
          range ? range->min : 0.0f, range ? range->max : 0.0f);
  }
}

}  // namespace

void validate(const Network& network) {
  int living = 0;
  std::unordered_set<std::string_view> names;
  for (int32_t index = 0; index < network.layer_count(); ++index) {
    if (!network.alive(LayerId{index})) continue;
    ++living;
    validate_wiring(network, {index});
    check(names.insert(network.name(LayerId{index})).second, ErrorCode::kInvalidArgument,
          "two layers are named '{}'", network.name(LayerId{index}));
  }
  validate_tensors(network);
  const std::vector<LayerId> order = network.layers();
  check(static_cast<int>(order.size()) == living, ErrorCode::kInvalidArgument,
        "network '{}' has a cycle of layers", network.name());
  for (LayerId layer : order) validate_outputs(network, layer);
  check(!network.outputs().empty(), ErrorCode::kInvalidArgument,
        "network '{}' has no output; call mark_output()", network.name());
  for (TensorId id : network.outputs()) {
    check(network.alive(id), ErrorCode::kInvalidArgument, "an output of network '{}' was removed",
          network.name());
  }
}

}  // namespace octile
