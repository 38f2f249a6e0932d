// See node.h.
#include "formats/onnx/node.h"

#include <algorithm>
#include <cmath>

#include "formats/onnx/tensor_proto.h"
#include "ops/ops.h"

namespace octile {
namespace {

/// Integer elements of any type as int64.
std::vector<int64_t> to_integers(const Tensor& tensor) {
  const Tensor wide = tensor.cast(DataType::kInt64);
  return {wide.as<int64_t>(), wide.as<int64_t>() + wide.volume()};
}

bool is_integer(DataType type) { return type != DataType::kFloat32 && type != DataType::kBool; }

}  // namespace

Node::Node(const onnx::NodeProto& proto, int64_t opset, ImportState& state)
    : proto_(proto), opset_(opset), state_(state) {}

std::string Node::name() const {
  if (!proto_.name().empty()) return state_.scope.label + proto_.name();
  for (const std::string& output : proto_.output()) {
    if (!output.empty()) return state_.labelled(output);
  }
  return state_.scope.label + proto_.op_type();
}

// --- inputs ---

bool Node::has(int index) const {
  return index < proto_.input_size() && !proto_.input(index).empty();
}

const Value* Node::lookup(int index) const {
  require(has(index), "input {} is missing", index);
  const auto found = state_.values.find(input_name(index));
  require(found != state_.values.end(),
          "input '{}' is made by no node before it, and is neither an input of the graph nor an "
          "initializer",
          input_name(index));
  return &found->second;
}

const Value& Node::value(int index) const { return *lookup(index); }

TensorId Node::in(int index) {
  Value& value = const_cast<Value&>(*lookup(index));
  if (value.tensor) return *value.tensor;
  if (value.second != nullptr) {
    return state_.computed(value, state_.labelled(input_name(index)));
  }
  Tensor tensor = value.constant.use_count() == 1 ? std::move(*value.constant) : *value.constant;
  const std::string name = state_.labelled(input_name(index));
  value.tensor = state_.network.constant(std::move(tensor), state_.free_layer_name(name));
  value.constant.reset();
  state_.name_tensor(*value.tensor, name);
  return *value.tensor;
}

DataType Node::type(int index) {
  const Value& value = *lookup(index);
  return value.tensor ? state_.network.type(*value.tensor) : value.constant->type();
}

int Node::onnx_type(int index) const {
  if (!has(index) || state_.declared == nullptr) return 0;
  const auto found = state_.declared->find(input_name(index));
  return found == state_.declared->end() ? 0 : found->second;
}

Shape Node::shape(int index) {
  const Value& value = *lookup(index);
  return value.tensor ? state_.network.shape(*value.tensor) : value.constant->shape();
}

Symbol Node::symbol(int index, int axis) {
  const Value& value = *lookup(index);
  return value.tensor ? state_.extents.at(*value.tensor, axis) : kNoSymbol;
}

const Tensor* Node::known(int index) const {
  const Value& value = *lookup(index);
  if (value.tensor) return state_.network.constant_value(*value.tensor);
  return value.second == nullptr ? value.constant.get() : nullptr;
}

bool Node::at_run_time(int index) const {
  const Value& value = *lookup(index);
  if (value.second != nullptr) return true;
  if (!value.tensor) return false;
  const Network& network = state_.network;
  std::vector<TensorId> todo{*value.tensor};
  std::set<int32_t> seen;
  while (!todo.empty()) {
    const LayerId layer = network.producer(todo.back());
    todo.pop_back();
    if (!layer.valid() || !seen.insert(layer.index).second) continue;
    const Op& op = network.op(layer);
    const auto& inputs = network.inputs(layer);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (shape_needs_value(op, i)) return true;
    }
    if (std::holds_alternative<ShapeOf>(op)) return true;
    todo.insert(todo.end(), inputs.begin(), inputs.end());
  }
  return false;
}

TensorId Node::run_time_list(int index) {
  if (const Tensor* value = known(index)) {
    const Shape shape = value->shape().rank() == 0 ? Shape{1} : value->shape();
    return add_constant(value->cast(DataType::kInt64).reshaped(shape), "list");
  }
  const TensorId list = cast(in(index), DataType::kInt64);
  return network().shape(list).rank() == 0 ? reshape(list, {1}) : list;
}

/// What to do about an input that is not known at import: names the graph inputs behind it.
std::string Node::remedy(int index) const {
  const Value& value = *lookup(index);
  if (!state_.from_file) return "; give it as a constant";
  if (!value.tensor) return ", so give the model's inputs fixed shapes";
  const Network& network = state_.network;
  std::vector<TensorId> todo{*value.tensor};
  std::set<int32_t> seen;
  std::string names, flags;
  while (!todo.empty()) {
    const TensorId id = todo.back();
    todo.pop_back();
    if (!seen.insert(id.index).second) continue;
    if (const LayerId producer = network.producer(id); producer.valid()) {
      const auto& inputs = network.inputs(producer);
      todo.insert(todo.end(), inputs.rbegin(), inputs.rend());
      continue;
    }
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", network.name(id));
    flags += fmt::format(" --constant {}=VALUE", network.name(id));
  }
  const bool itself = !network.producer(*value.tensor).valid();
  return itself ? fmt::format("; give that input's value with{} (OnnxOptions::constants)", flags)
                : fmt::format(
                      "; it is computed from {}: what only carries shapes or parameters can "
                      "be given with{} (OnnxOptions::constants)",
                      names, flags);
}

const Tensor& Node::constant(int index, std::string_view what) const {
  const Tensor* value = known(index);
  if (value == nullptr) {
    unsupported("its {} ('{}') must be constant; Octile needs the value at import{}", what,
                input_name(index), remedy(index));
  }
  return *value;
}

std::vector<int64_t> Node::integers(int index, std::string_view what) const {
  const Tensor& value = constant(index, what);
  require(value.shape().rank() <= 1 && is_integer(value.type()),
          "its {} must be a list of integers, not {} {}", what, name_of(value.type()),
          value.shape().to_string());
  return to_integers(value);
}

std::vector<float> Node::numbers(int index, std::string_view what) const {
  const Tensor value = constant(index, what).cast(DataType::kFloat32);
  return {value.as<float>(), value.as<float>() + value.volume()};
}

int64_t Node::integer_input(int index, std::string_view what) const {
  const std::vector<int64_t> values = to_integers(constant(index, what));
  require(values.size() == 1, "its {} must be one number, not {}", what, values.size());
  return values[0];
}

float Node::number_input(int index, std::string_view what) const {
  const std::vector<float> values = numbers(index, what);
  require(values.size() == 1, "its {} must be one number, not {}", what, values.size());
  return values[0];
}

std::vector<Node::Extent> Node::extents(int index, std::string_view what) const {
  const Value& value = *lookup(index);
  std::vector<Extent> result;
  if (value.second == nullptr) {
    for (const int64_t v : integers(index, what)) result.push_back({v, kNoSymbol, true});
    return result;
  }
  require(value.constant->shape().rank() <= 1 && is_integer(value.constant->type()),
          "its {} must be a list of integers", what);
  const auto first = to_integers(*value.constant), second = to_integers(*value.second);
  for (size_t i = 0; i < first.size(); ++i) {
    const bool equal = first[i] == second[i];
    result.push_back({equal ? first[i] : kDynamic,
                      equal ? kNoSymbol : state_.extents.from_probes(first[i], second[i]), equal});
  }
  return result;
}

// --- attributes ---

const onnx::AttributeProto* Node::find(std::string_view name) const {
  for (const auto& attribute : proto_.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

const onnx::AttributeProto* Node::attribute(std::string_view name) const {
  read_.emplace(name);
  return find(name);
}

const onnx::AttributeProto* Node::typed(std::string_view name,
                                        onnx::AttributeProto::AttributeType type) const {
  const onnx::AttributeProto* found = attribute(name);
  if (found == nullptr) return nullptr;
  const bool whole =
      !state_.from_file &&
      ((type == onnx::AttributeProto::FLOAT && found->type() == onnx::AttributeProto::INT) ||
       (type == onnx::AttributeProto::FLOATS && found->type() == onnx::AttributeProto::INTS));
  require(!found->has_type() || found->type() == type || whole, "attribute '{}' has the wrong type",
          name);
  return found;
}

int64_t Node::integer(std::string_view name) const {
  require(has_attribute(name), "attribute '{}' is missing", name);
  return integer(name, 0);
}

int64_t Node::integer(std::string_view name, int64_t otherwise) const {
  const int64_t value = any_integer(name, otherwise);
  require(value == static_cast<int32_t>(value), "attribute '{}' is {}, beyond 32 bits", name,
          value);
  return value;
}

int64_t Node::any_integer(std::string_view name, int64_t otherwise) const {
  const auto* found = typed(name, onnx::AttributeProto::INT);
  return found != nullptr ? found->i() : otherwise;
}

float Node::number(std::string_view name, float otherwise) const {
  const auto* found = typed(name, onnx::AttributeProto::FLOAT);
  return found != nullptr ? found->f() : otherwise;
}

DataType Node::type_attribute(std::string_view name, DataType otherwise) const {
  const auto* found = typed(name, onnx::AttributeProto::INT);
  if (found == nullptr) return otherwise;
  const int given = static_cast<int>(std::clamp<int64_t>(found->i(), 0, 1000));
  const auto type = network_type(given);
  if (!type) unsupported("attribute '{}' is {}, which Octile lacks", name, onnx_type_name(given));
  return *type;
}

std::string Node::text(std::string_view name, const std::string& otherwise) const {
  const auto* found = typed(name, onnx::AttributeProto::STRING);
  return found != nullptr ? found->s() : otherwise;
}

std::vector<int64_t> Node::integers(std::string_view name) const {
  const auto* found = typed(name, onnx::AttributeProto::INTS);
  if (found == nullptr) return {};
  return {found->ints().begin(), found->ints().end()};
}

std::vector<float> Node::numbers(std::string_view name) const {
  const auto* found = typed(name, onnx::AttributeProto::FLOATS);
  if (found == nullptr) return {};
  return {found->floats().begin(), found->floats().end()};
}

std::vector<int64_t> Node::integers(std::string_view name, int index, int64_t since) const {
  if (opset_ < since) return integers(name);
  return has(index) ? integers(index, name) : std::vector<int64_t>{};
}

int Node::axis(int64_t axis, int rank) const {
  require(axis >= -rank && axis < rank, "axis {} is not an axis of a tensor of rank {}", axis,
          rank);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

std::vector<std::string> Node::ignored_attributes() const {
  std::vector<std::string> names;
  for (const auto& attribute : proto_.attribute()) {
    if (!read_.contains(attribute.name())) names.push_back(attribute.name());
  }
  return names;
}

// --- building ---

/// What adding the layer takes: infer() evaluates it where its extents hang on values that are all
/// known, and holds known indices against their axis.
static double adding_work(const Network& network, const Op& op,
                          const std::vector<TensorId>& inputs) {
  const bool reads_indices =
      std::holds_alternative<Gather>(op) || std::holds_alternative<GatherElements>(op) ||
      std::holds_alternative<GatherNd>(op) || std::holds_alternative<ScatterElements>(op) ||
      std::holds_alternative<ScatterNd>(op) || std::holds_alternative<Compress>(op);
  if (!reads_indices && !shape_needs_value(op, 0)) return 0.0;
  std::vector<Shape> shapes;
  bool all_known = true;
  double indices = 0.0;
  for (const TensorId t : inputs) {
    const bool known = network.constant_value(t) != nullptr;
    const Shape& shape = shapes.emplace_back(network.shape(t));
    if (known && shapes.size() > 1) indices += static_cast<double>(shape.volume());
    all_known = all_known && known;
  }
  if (reads_indices) return indices;
  return all_known ? evaluation_work(op, shapes, {}) : 0.0;
}

LayerId Node::add_layer(Op op, const std::vector<TensorId>& inputs) {
  state_.spend_work(adding_work(state_.network, op, inputs));
  const LayerId layer = state_.network.add(std::move(op), inputs, state_.free_layer_name(name()));
  state_.extents.follow(state_.network, layer);
  return layer;
}

TensorId Node::add_beside(Op op, const std::vector<TensorId>& inputs, std::string_view suffix) {
  const LayerId layer = state_.network.add(
      std::move(op), inputs, state_.free_layer_name(fmt::format("{}.{}", name(), suffix)));
  state_.extents.follow(state_.network, layer);
  return state_.network.output(layer);
}

TensorId Node::add_constant(Tensor value, std::string_view suffix) {
  return state_.network.constant(std::move(value),
                                 state_.free_layer_name(fmt::format("{}.{}", name(), suffix)));
}

TensorId Node::cast(TensorId x, DataType to) {
  return state_.network.type(x) == to ? x : add(Cast{to}, {x});
}

TensorId Node::reshape(TensorId x, std::vector<int64_t> dims) {
  Shuffle op;
  op.has_reshape = true;
  op.dims = std::move(dims);
  op.zero_is_placeholder = false;
  return add(std::move(op), {x});
}

TensorId Node::with_scalar(ElementwiseKind kind, TensorId x, double value) {
  Tensor scalar(DataType::kFloat64, Shape{});
  *scalar.as<double>() = value;
  return elementwise(kind, x, add_constant(scalar.cast(state_.network.type(x)), "value"));
}

// --- outputs ---

bool Node::wants(int index) const {
  return index < proto_.output_size() && !proto_.output(index).empty();
}

void Node::output(int index, TensorId tensor) {
  if (!wants(index)) return;
  // A tensor that has an ONNX name already keeps it: the new name gets a layer of its own.
  const LayerId producer = state_.network.producer(tensor);
  bool mine = producer.valid() && !state_.network.constant_value(tensor);
  for (int i = 0; mine && i < proto_.input_size(); ++i) {
    if (has(i)) mine = !(value(i).tensor && *value(i).tensor == tensor);
  }
  for (int i = 0; mine && i < index; ++i) {
    if (!wants(i)) continue;
    const auto earlier = state_.values.find(proto_.output(i));
    mine = earlier == state_.values.end() || !(earlier->second.tensor == tensor);
  }
  const TensorId result = mine ? tensor : add(Identity{}, {tensor});
  state_.name_tensor(result, state_.labelled(proto_.output(index)));
  output(index, Value::of(result));
}

void Node::output(int index, Value value) {
  if (wants(index)) state_.values[proto_.output(index)] = std::move(value);
}

void Node::only_outputs(int count, std::string_view why) const {
  for (int i = count; i < output_count(); ++i) {
    if (wants(i)) unsupported("output {} ('{}') is not supported: {}", i, proto_.output(i), why);
  }
}

}  // namespace octile
