// See interpreter.h. Works on Q/DQ networks as well: there it is the oracle of lowering.
#include "graph/interpreter.h"

#include "graph/context.h"
#include "ops/ops.h"

namespace octile {
namespace {

void require_input(const Network& network, TensorId id, const Tensor& value) {
  const Shape& wanted = network.shape(id);
  bool fits = value.type() == network.type(id) && value.shape().rank() == wanted.rank();
  for (int axis = 0; fits && axis < wanted.rank(); ++axis) {
    fits = wanted[axis] == kDynamic || wanted[axis] == value.shape()[axis];
  }
  check(fits, ErrorCode::kInvalidArgument, "input '{}' must be {} {}, but got {} {}",
        network.name(id), name_of(network.type(id)), wanted.to_string(), name_of(value.type()),
        value.shape().to_string());
}

class Interpreter {
 public:
  Interpreter(const Network& network, const TensorObserver& observer)
      : network_(network),
        observer_(observer),
        values_(static_cast<size_t>(network.tensor_count())),
        uses_(static_cast<size_t>(network.tensor_count()), 0) {
    for (LayerId layer : network.layers()) {
      for (TensorId id : network.inputs(layer)) ++uses_[slot(id)];
    }
    for (TensorId id : network.outputs()) ++uses_[slot(id)];
  }

  void keep(TensorId id, Tensor value) {
    if (observer_) observer_(id, value);
    if (uses_[slot(id)] > 0) values_[slot(id)] = std::move(value);
  }

  void run(LayerId layer) {
    if (std::holds_alternative<Constant>(network_.op(layer))) return;
    std::vector<TensorView> inputs;
    for (TensorId id : network_.inputs(layer)) inputs.push_back(value(id).view());
    std::vector<Tensor> results = with_layer(network_.name(layer), network_.op(layer),
                                             [&] { return evaluate(network_.op(layer), inputs); });
    for (TensorId id : network_.inputs(layer)) release(id);
    for (size_t i = 0; i < results.size(); ++i) {
      keep(network_.output(layer, static_cast<int>(i)), std::move(results[i]));
    }
  }

  Tensor take(TensorId id) {
    if (--uses_[slot(id)] > 0 || network_.constant_value(id) != nullptr) return value(id);
    return std::move(values_[slot(id)]);
  }

 private:
  static size_t slot(TensorId id) { return static_cast<size_t>(id.index); }

  const Tensor& value(TensorId id) const {
    const Tensor* constant = network_.constant_value(id);
    return constant != nullptr ? *constant : values_[slot(id)];
  }

  void release(TensorId id) {
    if (--uses_[slot(id)] == 0) values_[slot(id)] = Tensor();
  }

  const Network& network_;
  const TensorObserver& observer_;
  std::vector<Tensor> values_;
  std::vector<int> uses_;
};

}  // namespace

std::vector<Tensor> interpret(const Network& network, const std::vector<Tensor>& inputs,
                              const TensorObserver& observer) {
  check(inputs.size() == network.inputs().size(), ErrorCode::kInvalidArgument,
        "network '{}' has {} inputs, but got {}", network.name(), network.inputs().size(),
        inputs.size());
  Interpreter interpreter(network, observer);
  for (size_t i = 0; i < inputs.size(); ++i) {
    require_input(network, network.inputs()[i], inputs[i]);
    interpreter.keep(network.inputs()[i], inputs[i]);
  }
  for (LayerId layer : network.layers()) interpreter.run(layer);
  std::vector<Tensor> outputs;
  for (TensorId id : network.outputs()) outputs.push_back(interpreter.take(id));
  return outputs;
}

}  // namespace octile
