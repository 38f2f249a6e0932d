// Graphs inside of graphs: branches, bodies of loops and functions are imported in place, the
// layers of every iteration anew. Names that a subgraph defines hide those outside and are
// labelled.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "formats/onnx/nodes.h"
#include "formats/onnx/rules.h"

namespace octile {

/// A subgraph that can be imported several times. What does not depend on its inputs (initializers,
/// Constant nodes) is read once. While it lives, the names outside that it hides are set aside.
class Inliner {
 public:
  /// Throws for operators that Octile lacks.
  Inliner(Node& node, const onnx::GraphProto& graph);
  ~Inliner();
  Inliner(const Inliner&) = delete;
  Inliner& operator=(const Inliner&) = delete;

  /// The outputs for these inputs; `label` comes in front of the names of layers and tensors.
  std::vector<Value> run(const std::vector<Value>& inputs, const std::string& label);

 private:
  void set_aside(const std::string& name);
  void restore();

  ImportState& state_;
  const onnx::GraphProto& graph_;
  ImportScope outside_;
  NodeList once_, nodes_;
  std::unordered_map<std::string, Value> hidden_;
  std::unordered_set<std::string> names_;
  std::vector<std::string> inner_;  // those that every run defines anew
  int64_t bytes_ = 0;               // of the nodes of every run
};

/// The subgraph in an attribute; throws when there is none.
const onnx::GraphProto& subgraph(const Node& node, std::string_view attribute);
/// Makes what a subgraph computed an output of the node. Tensors from before the subgraph (those
/// below `first_new`) go through an Identity, as they keep their names.
void output_value(Node& node, int index, const Value& value, int first_new);

/// The value as a tensor of the network.
TensorId tensor_of(Node& node, const Value& value);
/// The values along a new axis, one each; known when all of them are.
Value stacked(Node& node, const std::vector<Value>& values, int64_t axis);

/// Imports a call of one of the model's functions in place.
void import_function_call(const onnx::NodeProto& call, const onnx::FunctionProto& function,
                          ImportState& state);

}  // namespace octile
