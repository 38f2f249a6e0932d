// See export_writer.h.
#include "formats/onnx/export_writer.h"

#include <cstring>

#include "base/error.h"
#include "ops/ops.h"

namespace octile {
namespace {

using onnx::AttributeProto;

AttributeProto& attribute(onnx::NodeProto& node, const char* name,
                          AttributeProto::AttributeType type) {
  AttributeProto& result = *node.add_attribute();
  result.set_name(name);
  result.set_type(type);
  return result;
}

void write_tensor(const Tensor& value, onnx::TensorProto& proto) {
  proto.set_data_type(onnx_type_of(value.type()));
  for (const int64_t extent : value.shape()) proto.add_dims(extent);
  proto.set_raw_data(value.data(), value.bytes());
}

std::string unique(std::set<std::string>& taken, const std::string& name) {
  std::string free = name;
  for (int i = 2; !taken.insert(free).second; ++i) free = fmt::format("{}_{}", name, i);
  return free;
}

}  // namespace

int onnx_type_of(DataType type) {
  switch (type) {
    case DataType::kFloat32: return onnx::TensorProto::FLOAT;
    case DataType::kFloat16: return onnx::TensorProto::FLOAT16;
    case DataType::kBFloat16: return onnx::TensorProto::BFLOAT16;
    case DataType::kFloat64: return onnx::TensorProto::DOUBLE;
    case DataType::kInt8: return onnx::TensorProto::INT8;
    case DataType::kUInt8: return onnx::TensorProto::UINT8;
    case DataType::kInt16: return onnx::TensorProto::INT16;
    case DataType::kInt32: return onnx::TensorProto::INT32;
    case DataType::kInt64: return onnx::TensorProto::INT64;
    case DataType::kBool: return onnx::TensorProto::BOOL;
  }
  fail(ErrorCode::kInternal, "no ONNX type for {}", name_of(type));
}

void set(onnx::NodeProto& node, const char* name, int64_t value) {
  attribute(node, name, AttributeProto::INT).set_i(value);
}

void set(onnx::NodeProto& node, const char* name, float value) {
  attribute(node, name, AttributeProto::FLOAT).set_f(value);
}

void set(onnx::NodeProto& node, const char* name, const std::string& text) {
  attribute(node, name, AttributeProto::STRING).set_s(text);
}

void set(onnx::NodeProto& node, const char* name, const std::vector<int64_t>& values) {
  AttributeProto& list = attribute(node, name, AttributeProto::INTS);
  for (const int64_t value : values) list.add_ints(value);
}

void set(onnx::NodeProto& node, const char* name, const std::vector<float>& values) {
  AttributeProto& list = attribute(node, name, AttributeProto::FLOATS);
  for (const float value : values) list.add_floats(value);
}

void set(onnx::NodeProto& node, const char* name, const Names& values) {
  AttributeProto& list = attribute(node, name, AttributeProto::STRINGS);
  for (const std::string& value : values) list.add_strings(value);
}

void set(onnx::NodeProto& node, const char* name, const Tensor& value) {
  write_tensor(value, *attribute(node, name, AttributeProto::TENSOR).mutable_t());
}

ModelWriter::ModelWriter(const Network& network, int64_t opset, onnx::GraphProto& graph)
    : network_(network), opset_(opset), graph_(graph) {
  for (int32_t i = 0; i < network.tensor_count(); ++i) {
    if (network.alive(TensorId{i})) tensor_names_.insert(network.name(TensorId{i}));
  }
  for (const LayerId layer : network.layers()) node_names_.insert(network.name(layer));
}

void ModelWriter::store(const std::string& name, const Tensor& value) {
  onnx::TensorProto& proto = *graph_.add_initializer();
  proto.set_name(name);
  write_tensor(value, proto);
}

std::string ModelWriter::initializer(const std::string& name, const Tensor& value) {
  std::string free = free_tensor_name(name);
  store(free, value);
  return free;
}

std::string ModelWriter::free_tensor_name(const std::string& name) {
  return unique(tensor_names_, name);
}

std::string ModelWriter::free_node_name(const std::string& name) {
  return unique(node_names_, name);
}

const std::string& ModelWriter::use(TensorId tensor) {
  const std::string& name = network_.name(tensor);
  if (stored_.contains(tensor.index)) return name;
  if (const Tensor* value = network_.constant_value(tensor)) {
    store(name, *value);
    stored_.insert(tensor.index);
  } else if (const LayerId producer = network_.producer(tensor);
             producer.valid() && is_constant_quantize(network_, producer)) {
    const Tensor& real = *network_.constant_value(network_.inputs(producer)[0]);
    store(name, evaluate(network_.op(producer), std::vector{real.view()})[0]);
    stored_.insert(tensor.index);
  }
  return name;
}

bool is_constant_quantize(const Network& network, LayerId layer) {
  const auto* op = std::get_if<Quantize>(&network.op(layer));
  return op != nullptr && !op->dynamic &&
         network.constant_value(network.inputs(layer)[0]) != nullptr;
}

Names LayerWriter::ins() {
  Names names;
  for (size_t i = 0; i < input_count(); ++i) names.push_back(in(i));
  return names;
}

onnx::NodeProto& LayerWriter::append(const char* type, const Names& in, const Names& out,
                                     const std::string& name) {
  onnx::NodeProto& node = *model_.graph().add_node();
  node.set_op_type(type);
  node.set_name(name);
  for (const std::string& tensor : in) node.add_input(tensor);
  for (const std::string& tensor : out) node.add_output(tensor);
  return node;
}

onnx::NodeProto& LayerWriter::node(const char* type, const Names& in, const Names& out) {
  return append(type, in, out, network().name(layer_));
}

onnx::NodeProto& LayerWriter::beside(const char* type, const Names& in, const std::string& suffix) {
  const std::string name = network().name(layer_) + "." + suffix;
  return append(type, in, {model_.free_tensor_name(name)}, model_.free_node_name(name));
}

std::string LayerWriter::parameter(const Tensor& value, const std::string& suffix) {
  return model_.initializer(network().name(layer_) + "." + suffix, value);
}

std::string LayerWriter::integers(const std::vector<int64_t>& values, const std::string& suffix) {
  return parameter(Tensor::int64s(values), suffix);
}

std::string LayerWriter::number(float value, const std::string& suffix) {
  return parameter(Tensor::scalar(value), suffix);
}

std::string LayerWriter::in_as_int64(size_t index) {
  if (type(index) == DataType::kInt64) return in(index);
  onnx::NodeProto& cast = beside("Cast", {in(index)}, fmt::format("input_{}", index));
  set(cast, "to", int64_t{onnx::TensorProto::INT64});
  return result(cast);
}

void LayerWriter::refuse(std::string_view reason) const {
  fail(ErrorCode::kUnsupported, "{}", reason);
}

}  // namespace octile
