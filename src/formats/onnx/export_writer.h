// Writing an ONNX model, the part that export rules see: one LayerWriter a layer of the network
// turns it into one node, or a few. The node that carries the layer's meaning carries its name.
#pragma once

#include <onnx/onnx_pb.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "octile/network.h"

namespace octile {

/// The ONNX type of a network's type.
int onnx_type_of(DataType type);

/// True for a static Quantize layer over a constant: weights, whose integers are known.
bool is_constant_quantize(const Network& network, LayerId layer);

using Names = std::vector<std::string>;

// Attributes of a node.
void set(onnx::NodeProto& node, const char* name, int64_t value);
void set(onnx::NodeProto& node, const char* name, float value);
void set(onnx::NodeProto& node, const char* name, const std::string& text);
void set(onnx::NodeProto& node, const char* name, const std::vector<int64_t>& values);
void set(onnx::NodeProto& node, const char* name, const std::vector<float>& values);
void set(onnx::NodeProto& node, const char* name, const Names& values);
void set(onnx::NodeProto& node, const char* name, const Tensor& value);

/// A ModelWriter owns the graph being written: the names taken so far, and which constants of the
/// network are initializers already (those that some node reads).
class ModelWriter {
 public:
  ModelWriter(const Network& network, int64_t opset, onnx::GraphProto& graph);
  const Network& network() const { return network_; }
  int64_t opset() const { return opset_; }
  onnx::GraphProto& graph() { return graph_; }

  /// The name under which nodes read the tensor. A constant becomes an initializer at its first
  /// use; so does the result of a Quantize layer over a constant: weights are stored as integers.
  const std::string& use(TensorId tensor);
  /// A new initializer, its name made unique. Returns the name.
  std::string initializer(const std::string& name, const Tensor& value);
  /// A name that nothing has: `name`, or that with a number behind.
  std::string free_tensor_name(const std::string& name);
  std::string free_node_name(const std::string& name);

 private:
  void store(const std::string& name, const Tensor& value);

  const Network& network_;
  int64_t opset_;
  onnx::GraphProto& graph_;
  std::set<std::string> tensor_names_, node_names_;
  std::set<int32_t> stored_;  // tensors of the network that are initializers
};

/// A LayerWriter writes the nodes of one layer.
class LayerWriter {
 public:
  LayerWriter(ModelWriter& model, LayerId layer) : model_(model), layer_(layer) {}
  const Network& network() const { return model_.network(); }
  LayerId layer() const { return layer_; }
  int64_t opset() const { return model_.opset(); }

  size_t input_count() const { return inputs().size(); }
  TensorId input(size_t index) const { return inputs()[index]; }
  DataType type(size_t index) const { return network().type(input(index)); }
  const Shape& shape(size_t index) const { return network().shape(input(index)); }
  std::string in(size_t index) { return model_.use(input(index)); }
  /// All inputs, in order.
  Names ins();
  std::string out(int index = 0) const { return network().name(network().output(layer_, index)); }

  /// The layer's own node.
  onnx::NodeProto& node(const char* type, const Names& in, const Names& out);
  /// The same, from the layer's inputs to its first output.
  onnx::NodeProto& node(const char* type) { return node(type, ins(), {out()}); }
  /// A node beside it, named "<layer>.<suffix>", with one new tensor of that name as its output.
  onnx::NodeProto& beside(const char* type, const Names& in, const std::string& suffix);
  /// The output of a node that beside() made.
  static const std::string& result(const onnx::NodeProto& node) { return node.output(0); }
  /// A parameter as an initializer "<layer>.<suffix>".
  std::string parameter(const Tensor& value, const std::string& suffix);
  std::string integers(const std::vector<int64_t>& values, const std::string& suffix);
  std::string number(float value, const std::string& suffix);
  /// Input `index` as int64, behind a Cast where it is not.
  std::string in_as_int64(size_t index);

  /// The layer has no form in ONNX.
  [[noreturn]] void refuse(std::string_view reason) const;

 private:
  const std::vector<TensorId>& inputs() const { return network().inputs(layer_); }
  onnx::NodeProto& append(const char* type, const Names& in, const Names& out,
                          const std::string& name);

  ModelWriter& model_;
  LayerId layer_;
};

}  // namespace octile
