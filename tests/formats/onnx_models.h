// Tiny ONNX models, written with the protobuf classes themselves, for the tests of the importer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/interpreter.h"
#include "octile/onnx.h"
#include "support/onnx_messages.h"
#include "support/tensors.h"

namespace octile::test {

inline Tensor row(const std::vector<float>& values) {
  return Tensor::floats({int64_t(values.size())}, values);
}

/// 1 to 6 as two rows.
inline Tensor six() { return Tensor::floats({2, 3}, {1, 2, 3, 4, 5, 6}); }

/// One node under construction; the setters return it again.
class NodeBuilder {
 public:
  explicit NodeBuilder(onnx::NodeProto* node) : node_(node) {}
  NodeBuilder& set(const std::string& name, int64_t value) {
    add(name, onnx::AttributeProto::INT)->set_i(value);
    return *this;
  }
  NodeBuilder& set(const std::string& name, int value) { return set(name, int64_t{value}); }
  NodeBuilder& set(const std::string& name, float value) {
    add(name, onnx::AttributeProto::FLOAT)->set_f(value);
    return *this;
  }
  NodeBuilder& set(const std::string& name, const char* value) {
    add(name, onnx::AttributeProto::STRING)->set_s(value);
    return *this;
  }
  NodeBuilder& ints(const std::string& name, const std::vector<int64_t>& values) {
    auto* attribute = add(name, onnx::AttributeProto::INTS);
    for (const int64_t v : values) attribute->add_ints(v);
    return *this;
  }
  NodeBuilder& floats(const std::string& name, const std::vector<float>& values) {
    auto* attribute = add(name, onnx::AttributeProto::FLOATS);
    for (const float v : values) attribute->add_floats(v);
    return *this;
  }
  NodeBuilder& named(const std::string& name) {
    node_->set_name(name);
    return *this;
  }
  NodeBuilder& domain(const std::string& name) {
    node_->set_domain(name);
    return *this;
  }
  onnx::NodeProto& proto() { return *node_; }

 private:
  onnx::AttributeProto* add(const std::string& name, onnx::AttributeProto::AttributeType type) {
    auto* attribute = node_->add_attribute();
    attribute->set_name(name);
    attribute->set_type(type);
    return attribute;
  }
  onnx::NodeProto* node_;
};

/// A model under construction.
class Model {
 public:
  explicit Model(int64_t opset = 13) {
    proto.set_ir_version(7);
    proto.add_opset_import()->set_version(opset);
    proto.mutable_graph()->set_name("tiny");
  }
  /// −1: an unnamed unknown extent.
  Model& input(const std::string& name, const std::vector<int64_t>& dims,
               int type = onnx::TensorProto::FLOAT) {
    describe(proto.mutable_graph()->add_input(), name, dims, type);
    return *this;
  }
  Model& output(const std::string& name) {
    auto* info = proto.mutable_graph()->add_output();
    info->set_name(name);
    info->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
    return *this;
  }
  Model& floats(const std::string& name, const std::vector<int64_t>& dims,
                const std::vector<float>& values) {
    auto* tensor = initializer(name, dims, onnx::TensorProto::FLOAT);
    for (const float v : values) tensor->add_float_data(v);
    return *this;
  }
  Model& int64s(const std::string& name, const std::vector<int64_t>& dims,
                const std::vector<int64_t>& values) {
    auto* tensor = initializer(name, dims, onnx::TensorProto::INT64);
    for (const int64_t v : values) tensor->add_int64_data(v);
    return *this;
  }
  /// A rank 1 list.
  Model& int64s(const std::string& name, const std::vector<int64_t>& values) {
    return int64s(name, {static_cast<int64_t>(values.size())}, values);
  }
  /// Types that lie in int32_data: int8, uint8, int32, bool, halves' bits.
  Model& int32s(const std::string& name, const std::vector<int64_t>& dims,
                const std::vector<int32_t>& values, int type) {
    auto* tensor = initializer(name, dims, type);
    for (const int32_t v : values) tensor->add_int32_data(v);
    return *this;
  }
  onnx::TensorProto* initializer(const std::string& name, const std::vector<int64_t>& dims,
                                 int type) {
    auto* tensor = proto.mutable_graph()->add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(type);
    for (const int64_t d : dims) tensor->add_dims(d);
    return tensor;
  }
  NodeBuilder node(const std::string& op_type, const std::vector<std::string>& inputs,
                   const std::vector<std::string>& outputs) {
    auto* node = proto.mutable_graph()->add_node();
    node->set_op_type(op_type);
    for (const auto& name : inputs) node->add_input(name);
    for (const auto& name : outputs) node->add_output(name);
    return NodeBuilder(node);
  }
  std::string bytes() const { return proto.SerializeAsString(); }
  Network import(const OnnxOptions& options = {}) const {
    return import_onnx_bytes(bytes(), options, "tiny.onnx");
  }
  /// The network's outputs for these inputs.
  std::vector<Tensor> run(const std::vector<Tensor>& inputs,
                          const OnnxOptions& options = {}) const {
    return interpret(import(options), inputs);
  }
  /// The message of the error that importing raises.
  std::string error(ErrorCode code) const {
    return message_of([&] { import(); }, code);
  }

  static void describe(onnx::ValueInfoProto* info, const std::string& name,
                       const std::vector<int64_t>& dims, int type) {
    info->set_name(name);
    auto* tensor = info->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    auto* shape = tensor->mutable_shape();
    for (const int64_t d : dims) {
      auto* dim = shape->add_dim();
      if (d >= 0) dim->set_dim_value(d);
    }
  }

  onnx::ModelProto proto;
};

}  // namespace octile::test
