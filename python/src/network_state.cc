// Networks as pickle keeps them: what was added, in order, with every name and attribute. Ops are
// written as in plan files (plan/field_codec.h).
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>

#include "base/error.h"
#include "convert.h"
#include "octile/network.h"
#include "octile/tensor.h"
#include "plan/field_codec.h"
#include "short_forms.h"

namespace octile::python {

namespace {

const std::string kOrigin = "pickled network";

nb::bytes op_bytes(const Op& op) {
  flexbuffers::Builder builder;
  write_value(builder, op);
  builder.Finish();
  return nb::bytes(builder.GetBuffer().data(), builder.GetBuffer().size());
}

Op op_from(nb::handle state) {
  const std::string bytes = to_bytes(state, "a pickled op");
  std::vector<uint8_t> reuse;
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  check(flexbuffers::VerifyBuffer(data, bytes.size(), &reuse), ErrorCode::kInvalidFile,
        "{}: an op is damaged", kOrigin);
  Op op;
  read_value(flexbuffers::GetRoot(data, bytes.size()), op, FieldPlace{kOrigin, "op"});
  return op;
}

std::vector<std::string> tensor_names(const Network& network, const std::vector<TensorId>& ids) {
  std::vector<std::string> names;
  for (const TensorId id : ids) names.push_back(id.valid() ? network.name(id) : "");
  return names;
}

/// Bytes, not an array: NumPy has no bfloat16.
nb::object value_state(const Tensor& value) {
  return nb::make_tuple(int(value.type()), from_shape(value.shape()),
                        nb::bytes(value.as<char>(), value.bytes()));
}

nb::tuple layer_state(const Network& network, LayerId layer) {
  const TensorId first = network.output(layer);
  const Tensor* value = network.constant_value(first);
  const std::optional<Scheme> scheme = network.scheme(layer);
  return nb::make_tuple(op_bytes(network.op(layer)), network.name(layer),
                        tensor_names(network, network.inputs(layer)),
                        tensor_names(network, network.outputs(layer)),
                        value != nullptr ? value_state(*value) : nb::none(),
                        int(network.precision(layer)), scheme ? int(*scheme) : -1);
}

nb::tuple state_of(const Network& network) {
  nb::list inputs, layers, ranges;
  for (const TensorId id : network.inputs()) {
    inputs.append(
        nb::make_tuple(network.name(id), int(network.type(id)), from_shape(network.shape(id))));
  }
  const auto add_range = [&](TensorId id) {
    const std::optional<Range> range = network.dynamic_range(id);
    if (range) ranges.append(nb::make_tuple(network.name(id), range->min, range->max));
  };
  for (const TensorId id : network.inputs()) add_range(id);
  for (const LayerId layer : network.layers()) {
    layers.append(layer_state(network, layer));
    for (const TensorId id : network.outputs(layer)) add_range(id);
  }
  return nb::make_tuple(network.name(), inputs, layers, tensor_names(network, network.outputs()),
                        ranges);
}

template <typename E>
E enum_of(int value, E last) {
  check(value >= 0 && value <= int(last), ErrorCode::kInvalidFile, "{}: it is damaged", kOrigin);
  return static_cast<E>(value);
}

TensorId tensor_named(const Network& network, const std::string& name) {
  if (name.empty()) return {};  // an optional input that is left out
  const std::optional<TensorId> id = network.find_tensor(name);
  check(id.has_value(), ErrorCode::kInvalidFile, "{}: tensor '{}' is missing", kOrigin, name);
  return *id;
}

Tensor value_from(nb::handle state) {
  const auto [type, shape, data] = nb::cast<std::tuple<int, nb::object, nb::bytes>>(state);
  const DataType known = enum_of(type, DataType::kBool);
  const Shape extents = to_shape(shape);
  check(TensorView{known, extents, nullptr}.bytes() == data.size(), ErrorCode::kInvalidFile,
        "{}: a constant is damaged", kOrigin);
  return Tensor(known, extents, {static_cast<const std::byte*>(data.data()), data.size()});
}

using LayerState = std::tuple<nb::object, std::string, std::vector<std::string>,
                              std::vector<std::string>, nb::object, int, int>;

void add_layer(Network& network, const LayerState& state) {
  const auto& [op, name, inputs, outputs, value, precision, scheme] = state;
  LayerId layer;
  if (!value.is_none()) {
    layer = network.producer(network.constant(value_from(value), name));
  } else {
    std::vector<TensorId> ids;
    for (const std::string& input : inputs) ids.push_back(tensor_named(network, input));
    layer = network.add(op_from(op), ids, name);
  }
  const std::vector<TensorId> made = network.outputs(layer);
  check(made.size() == outputs.size(), ErrorCode::kInvalidFile, "{}: layer '{}' is damaged",
        kOrigin, name);
  for (size_t i = 0; i < made.size(); ++i) {
    if (network.name(made[i]) != outputs[i]) network.rename(made[i], outputs[i]);
  }
  network.set_precision(layer, enum_of(precision, Precision::kFloat16));
  if (scheme >= 0) network.set_scheme(layer, enum_of(scheme, Scheme::kDynamicAffine));
}

Network network_from(const nb::tuple& state) {
  Network network(nb::cast<std::string>(nb::object(state[0])));
  using InputState = std::tuple<std::string, int, nb::object>;
  for (const auto& [name, type, shape] : nb::cast<std::vector<InputState>>(nb::object(state[1]))) {
    network.add_input(name, enum_of(type, DataType::kBool), to_shape(shape));
  }
  for (const auto& layer : nb::cast<std::vector<LayerState>>(nb::object(state[2]))) {
    add_layer(network, layer);
  }
  for (const auto& name : nb::cast<std::vector<std::string>>(nb::object(state[3]))) {
    network.mark_output(tensor_named(network, name));
  }
  using RangeState = std::tuple<std::string, float, float>;
  for (const auto& [name, min, max] : nb::cast<std::vector<RangeState>>(nb::object(state[4]))) {
    network.set_dynamic_range(tensor_named(network, name), {min, max});
  }
  return network;
}

}  // namespace

void bind_network_state(nb::class_<Network>& cls) {
  cls.def("__getstate__", &state_of).def("__setstate__", [](Network& network, nb::tuple state) {
    check(nb::len(state) == 5, ErrorCode::kInvalidFile, "{}: it is damaged", kOrigin);
    new (&network) Network(network_from(state));
  });
}

}  // namespace octile::python
