// See nodes.h.
#include "formats/onnx/nodes.h"

#include <algorithm>

#include "formats/onnx/fold.h"
#include "formats/onnx/inline.h"
#include "formats/onnx/tensor_proto.h"

namespace octile {
namespace {

const onnx::FunctionProto* function_of(const onnx::NodeProto& node, const ImportState& state) {
  const auto found = state.functions.find({domain_of(node.domain()), node.op_type()});
  return found == state.functions.end() ? nullptr : found->second;
}

void add_graph_names(const onnx::GraphProto& graph, std::unordered_set<std::string>& names) {
  for (const onnx::NodeProto& node : graph.node()) add_names_read(node, names);
  for (const auto& output : graph.output()) names.insert(output.name());
}

/// Collects what refuse_unknown_operators tells.
class Unknown {
 public:
  explicit Unknown(const ImportState& state) : state_(state) {}

  void look(const onnx::NodeProto& node, const std::string& label) {
    if (find_rule(node.domain(), node.op_type()) != nullptr) {
      if (node.op_type() == "If") return;
      for (const auto& attribute : node.attribute()) {
        for (const auto& inner : attribute.g().node()) look(inner, label);
      }
      return;
    }
    const onnx::FunctionProto* function = function_of(node, state_);
    const std::string name =
        node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
    if (function == nullptr) return add(label + name, node);
    if (!seen_.insert(function).second) return;
    for (const auto& inner : function->node()) look(inner, label + name + "/");
  }

  void close() const {
    check(count_ == 0, ErrorCode::kUnsupported,
          "Octile lacks the operators of {} node{}: {}; replace them in the model, or cut the "
          "model before them",
          count_, count_ == 1 ? "" : "s", list_);
  }

 private:
  void add(const std::string& name, const onnx::NodeProto& node) {
    const std::string domain = node.domain().empty() ? "" : node.domain() + ".";
    list_ += fmt::format("{}'{}' ({}{})", count_++ == 0 ? "" : ", ", name, domain, node.op_type());
  }

  const ImportState& state_;
  std::unordered_set<const onnx::FunctionProto*> seen_;
  std::string list_;
  int count_ = 0;
};

int64_t opset_of(const onnx::NodeProto& node, const ImportState& state) {
  const auto found = state.scope.opsets.find(domain_of(node.domain()));
  return found != state.scope.opsets.end() ? found->second : 1;
}

void import_node(const onnx::NodeProto& proto, ImportState& state) {
  const int64_t opset = opset_of(proto, state);
  Node node(proto, opset, state);
  at_place(fmt::format("node '{}' ({})", node.name(), proto.op_type()), [&] {
    std::unordered_set<std::string> own;
    for (const std::string& output : proto.output()) {
      if (output.empty()) continue;
      check(own.insert(output).second && !state.values.contains(output), ErrorCode::kInvalidFile,
            "its output '{}' is defined already", output);
    }
    const RuleRow* row = find_rule(proto.domain(), proto.op_type());
    if (row == nullptr) return import_function_call(proto, *function_of(proto, state), state);
    for (const std::string& name : import_by_rule(*row, proto, opset, state)) {
      state.warn(fmt::format("node '{}' ({}): attribute '{}' is not known and ignored", node.name(),
                             proto.op_type(), name));
    }
  });
}

}  // namespace

std::string domain_of(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

std::map<std::string, int64_t> opsets_of(
    const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports) {
  std::map<std::string, int64_t> opsets;
  for (const auto& import : imports) opsets[domain_of(import.domain())] = import.version();
  return opsets;
}

void add_names_read(const onnx::NodeProto& node, std::unordered_set<std::string>& names) {
  names.insert(node.input().begin(), node.input().end());
  for (const auto& attribute : node.attribute()) {
    if (attribute.has_g()) add_graph_names(attribute.g(), names);
  }
}

NodeList live_nodes(const NodeProtos& nodes, std::unordered_set<std::string>& wanted) {
  NodeList live;
  for (int i = nodes.size() - 1; i >= 0; --i) {
    const onnx::NodeProto& node = nodes.Get(i);
    const bool needed = std::any_of(node.output().begin(), node.output().end(), [&](const auto& o) {
      return !o.empty() && wanted.contains(o);
    });
    if (!needed) continue;
    live.push_back(&node);
    add_names_read(node, wanted);
  }
  std::reverse(live.begin(), live.end());
  return live;
}

void refuse_unknown_operators(const NodeList& nodes, const ImportState& state) {
  Unknown unknown(state);
  for (const onnx::NodeProto* node : nodes) unknown.look(*node, "");
  unknown.close();
}

void import_initializers(const onnx::GraphProto& graph,
                         const std::unordered_set<std::string>& wanted, ImportState& state) {
  check(graph.sparse_initializer_size() == 0, ErrorCode::kUnsupported,
        "the model has sparse initializers; store them densely");
  for (const onnx::TensorProto& proto : graph.initializer()) {
    if (!wanted.contains(proto.name())) continue;
    at_place(fmt::format("initializer '{}'", proto.name()), [&] {
      check(!state.values.contains(proto.name()), ErrorCode::kInvalidFile, "it is defined twice");
      Value value = Value::of(read_tensor(proto, state.folder));
      state.grow_budget(*value.constant);
      state.values.emplace(proto.name(), std::move(value));
    });
  }
}

std::vector<std::string> import_by_rule(const RuleRow& row, const onnx::NodeProto& proto,
                                        int64_t opset, ImportState& state) {
  Node node(proto, opset, state);
  std::vector<std::string> ignored;
  if (is_foldable(row, node) && fold(row, proto, opset, state, ignored)) return ignored;
  row.rule(node);
  return node.ignored_attributes();
}

void import_nodes(const NodeList& nodes, ImportState& state) {
  for (const onnx::NodeProto* node : nodes) import_node(*node, state);
}

}  // namespace octile
