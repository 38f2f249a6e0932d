// Network: placing layers, and the records behind the handles. The strong guarantee of add() comes
// from doing everything that can throw before the first change.
#include "octile/network.h"

#include <cmath>

#include "graph/context.h"
#include "ops/ops.h"

namespace octile {

Network::Network(std::string name) : name_(std::move(name)) {}

const Network::LayerRecord& Network::at(LayerId layer) const {
  check(alive(layer), ErrorCode::kInvalidArgument,
        "network '{}' has no layer {}; was it removed, or is the handle of another network?", name_,
        layer.index);
  return layers_[static_cast<size_t>(layer.index)];
}

const Network::TensorRecord& Network::at(TensorId tensor) const {
  check(alive(tensor), ErrorCode::kInvalidArgument,
        "network '{}' has no tensor {}; was it removed, or is the handle of another network?",
        name_, tensor.index);
  return tensors_[static_cast<size_t>(tensor.index)];
}

Network::LayerRecord& Network::at(LayerId layer) {
  return const_cast<LayerRecord&>(std::as_const(*this).at(layer));
}

Network::TensorRecord& Network::at(TensorId tensor) {
  return const_cast<TensorRecord&>(std::as_const(*this).at(tensor));
}

TensorId Network::add_input(const std::string& name, DataType type, const Shape& shape) {
  check(!name.empty(), ErrorCode::kInvalidArgument, "an input of network '{}' has no name", name_);
  check(!tensor_names_.contains(name), ErrorCode::kInvalidArgument,
        "network '{}' already has a tensor named '{}'; choose another name", name_, name);
  for (int64_t extent : shape) {
    check(extent >= 0 || extent == kDynamic, ErrorCode::kInvalidArgument,
          "input '{}' has shape {}; extents must not be negative, but -1 where unknown", name,
          shape.to_string());
  }
  const TensorId id = add_tensor({name, type, shape, LayerId{}, true, std::nullopt});
  inputs_.push_back(id);
  return id;
}

TensorId Network::add_tensor(TensorRecord record) {
  const auto index = static_cast<int32_t>(tensors_.size());
  tensor_names_.emplace(record.name, index);
  tensors_.push_back(std::move(record));
  return {index};
}

LayerId Network::add(Op op, const std::vector<TensorId>& inputs, const std::string& name) {
  check(!std::holds_alternative<Constant>(op), ErrorCode::kInvalidArgument,
        "layer '{}': a Constant needs its value; add it by Network::constant()", name);
  LayerRecord record;
  record.name = new_layer_name(name, op);
  record.op = std::move(op);
  record.inputs = inputs;
  return place(std::move(record), true);
}

TensorId Network::constant(Tensor value, const std::string& name) {
  LayerRecord record;
  record.op = Constant{};
  record.name = new_layer_name(name, record.op);
  check(value.data() != nullptr, ErrorCode::kInvalidArgument, "constant '{}' has no value",
        record.name);
  record.value = std::make_shared<const Tensor>(std::move(value));
  return output(place(std::move(record), true));
}

LayerId Network::place(LayerRecord record, bool numbered) {
  std::vector<TensorInfo> infos;
  if (record.value != nullptr) {
    infos = {{record.value->type(), record.value->shape(), nullptr}};
  } else {
    infos = with_layer(record.name, record.op, [&] {
      std::vector<TensorInfo> in;
      for (TensorId id : record.inputs) {
        in.push_back({at(id).type, at(id).shape, constant_value(id)});
      }
      return infer(record.op, in);
    });
  }
  const LayerId id{static_cast<int32_t>(layers_.size())};
  for (size_t i = 0; i < infos.size(); ++i) {
    record.outputs.push_back(add_tensor(
        {output_name(record, i), infos[i].type, infos[i].shape, id, true, std::nullopt}));
  }
  layer_names_.emplace(record.name, id.index);
  record.numbered = numbered;
  layers_.push_back(std::move(record));
  numbered_ += numbered ? 1 : 0;
  return id;
}

void Network::mark_output(TensorId tensor, const std::string& new_name) {
  at(tensor);
  if (!new_name.empty() && new_name != name(tensor)) rename(tensor, new_name);
  if (!is_output(tensor)) outputs_.push_back(tensor);
}

void Network::unmark_output(TensorId tensor) {
  check(is_output(tensor), ErrorCode::kInvalidArgument, "tensor '{}' is no output of network '{}'",
        name(tensor), name_);
  std::erase(outputs_, tensor);
}

void Network::set_precision(LayerId layer, Precision precision) { at(layer).precision = precision; }

void Network::set_scheme(LayerId layer, Scheme scheme) { at(layer).scheme = scheme; }

void Network::set_dynamic_range(TensorId tensor, Range range) {
  TensorRecord& record = at(tensor);
  check(std::isfinite(range.min) && std::isfinite(range.max) && range.min <= range.max,
        ErrorCode::kInvalidArgument,
        "tensor '{}': the range [{}, {}] must be finite with its lower end first", record.name,
        range.min, range.max);
  record.range = range;
}

}  // namespace octile
