// One ONNX node as the rules see it: inputs, attributes and opset on one side, the network's layers
// on the other. Every accessor checks what the file says and throws an Error about it; the caller
// puts the node's name before the message.
#pragma once

#include <onnx/onnx_pb.h>

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "formats/onnx/import_state.h"

namespace octile {

class Node {
 public:
  Node(const onnx::NodeProto& proto, int64_t opset, ImportState& state);

  const std::string& op_type() const { return proto_.op_type(); }
  /// Version of the operator set that the node's domain was imported with.
  int64_t opset() const { return opset_; }
  /// "conv1 (Conv)"; a node without name goes by its first output.
  std::string name() const;

  // --- inputs ---
  int input_count() const { return proto_.input_size(); }
  /// False for one that is left out (absent or "").
  bool has(int index) const;
  /// The tensor; a constant is added to the network. Throws when it is left out.
  TensorId in(int index);
  DataType type(int index);
  /// The element type that the file declares for the input (an initializer, a graph input, or one
  /// with a value_info), 0 when it does not: the network's type may be wider.
  int onnx_type(int index) const;
  Shape shape(int index);
  int rank(int index) { return shape(index).rank(); }
  Symbol symbol(int index, int axis);
  /// The value when it is known and depends on no unknown extent, else nullptr.
  const Tensor* known(int index) const;
  /// The same, but throws kUnsupported; `what` names the input for the message.
  const Tensor& constant(int index, std::string_view what) const;
  /// A constant list (or scalar) of integers.
  std::vector<int64_t> integers(int index, std::string_view what) const;
  std::vector<float> numbers(int index, std::string_view what) const;
  float number_input(int index, std::string_view what) const;
  /// One constant integer, which may be stored as a float (OneHot's depth).
  int64_t integer_input(int index, std::string_view what) const;
  /// A list of extents, where some may be symbols.
  struct Extent {
    int64_t value = 0;          // when known
    Symbol symbol = kNoSymbol;  // else, when it is one
    bool known = true;
  };
  std::vector<Extent> extents(int index, std::string_view what) const;
  /// Not known now, but computed from extents, or behind a layer whose extents depend on values:
  /// then nobody could give it at import, and the op has to take it as it runs.
  bool at_run_time(int index) const;
  /// The input as a list of int64 (a scalar as one of 1), computed as the network runs.
  TensorId run_time_list(int index);
  /// The name's Value as it stands, for rules that make values of values.
  const Value& value(int index) const;

  // --- attributes; the one-argument forms are required ---
  bool has_attribute(std::string_view name) const { return find(name) != nullptr; }
  /// Within 32 bits, so that rules may add and multiply what they read.
  int64_t integer(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t otherwise) const;
  /// For an attribute whose 64-bit extremes have a meaning ("to the end").
  int64_t any_integer(std::string_view name, int64_t otherwise) const;
  float number(std::string_view name, float otherwise) const;
  /// The network's type for an attribute that holds an ONNX type.
  DataType type_attribute(std::string_view name, DataType otherwise) const;
  std::string text(std::string_view name, const std::string& otherwise) const;
  std::vector<int64_t> integers(std::string_view name) const;  // empty when absent
  std::vector<float> numbers(std::string_view name) const;
  /// The attribute as the file has it, marked as read; nullptr when absent.
  const onnx::AttributeProto* attribute(std::string_view name) const;
  /// A list that newer operator sets made an input: input `index` from opset `since` on.
  std::vector<int64_t> integers(std::string_view name, int index, int64_t since) const;
  /// An axis in [0, rank), negative ones counted from the end.
  int axis(int64_t axis, int rank) const;

  // --- building ---
  /// Places an op; named after the node (and "#2", … for those after the first).
  LayerId add_layer(Op op, const std::vector<TensorId>& inputs);
  TensorId add(Op op, const std::vector<TensorId>& inputs) {
    return state_.network.output(add_layer(std::move(op), inputs));
  }
  /// The same, but named "<node>.<suffix>": for layers around the one that has the node's name.
  TensorId add_beside(Op op, const std::vector<TensorId>& inputs, std::string_view suffix);
  TensorId add_constant(Tensor value, std::string_view suffix);
  TensorId elementwise(ElementwiseKind kind, TensorId a, TensorId b) {
    return add(Elementwise{kind}, {a, b});
  }
  TensorId unary(UnaryKind kind, TensorId x) { return add(Unary{kind}, {x}); }
  TensorId cast(TensorId x, DataType to);
  /// A 0 among `dims` is an extent of 0; one may be −1.
  TensorId reshape(TensorId x, std::vector<int64_t> dims);
  /// x ∘ value with a scalar of x's type.
  TensorId with_scalar(ElementwiseKind kind, TensorId x, double value);

  // --- outputs ---
  int output_count() const { return proto_.output_size(); }
  /// True when the file names the output (something may read it).
  bool wants(int index) const;
  void output(int index, TensorId tensor);
  void output(int index, Value value);
  void output(TensorId tensor) { output(0, tensor); }
  /// Refuses a node whose outputs from `count` on are wanted.
  void only_outputs(int count, std::string_view why) const;

  template <typename... Args>
  [[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kUnsupported, format, std::forward<Args>(args)...);
  }
  template <typename... Args>
  void require(bool condition, fmt::format_string<Args...> format, Args&&... args) const {
    check(condition, ErrorCode::kInvalidFile, format, std::forward<Args>(args)...);
  }

  ImportState& state() { return state_; }
  Network& network() { return state_.network; }
  /// Attributes that the file has and no rule asked for.
  std::vector<std::string> ignored_attributes() const;

 private:
  const onnx::AttributeProto* find(std::string_view name) const;
  const onnx::AttributeProto* typed(std::string_view name,
                                    onnx::AttributeProto::AttributeType type) const;
  const Value* lookup(int index) const;
  std::string remedy(int index) const;
  const std::string& input_name(int index) const { return proto_.input(index); }

  const onnx::NodeProto& proto_;
  int64_t opset_;
  ImportState& state_;
  mutable std::set<std::string, std::less<>> read_;
};

}  // namespace octile
