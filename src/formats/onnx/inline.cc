// See inline.h.
#include "formats/onnx/inline.h"

#include <algorithm>

namespace octile {
namespace {

constexpr int kMostDepth = 64;

void enter(ImportState& state) {
  check(++state.scope.depth <= kMostDepth, ErrorCode::kUnsupported,
        "more than {} graphs or functions lie inside of each other (or a function calls itself)",
        kMostDepth);
}

/// References to attributes of the call become its attributes, or go when it has none.
void substitute(const onnx::NodeProto& call, onnx::NodeProto& node);

void substitute(const onnx::NodeProto& call, onnx::GraphProto& graph) {
  for (auto& node : *graph.mutable_node()) substitute(call, node);
}

void substitute(const onnx::NodeProto& call, onnx::NodeProto& node) {
  onnx::NodeProto result = node;
  result.clear_attribute();
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.ref_attr_name().empty()) {
      auto* copy = result.add_attribute();
      *copy = attribute;
      if (copy->has_g()) substitute(call, *copy->mutable_g());
      continue;
    }
    const auto given = std::find_if(
        call.attribute().begin(), call.attribute().end(),
        [&](const auto& candidate) { return candidate.name() == attribute.ref_attr_name(); });
    if (given == call.attribute().end()) continue;
    auto* copy = result.add_attribute();
    *copy = *given;
    copy->set_name(attribute.name());
  }
  node = std::move(result);
}

/// Attributes of newer functions have defaults, in a field that our ONNX headers lack.
constexpr int kAttributeDefaults = 11;

onnx::NodeProto with_defaults(const onnx::NodeProto& call, const onnx::FunctionProto& function) {
  onnx::NodeProto result = call;
  const auto& unknown = function.GetReflection()->GetUnknownFields(function);
  for (int i = 0; i < unknown.field_count(); ++i) {
    const auto& field = unknown.field(i);
    onnx::AttributeProto attribute;
    if (field.number() != kAttributeDefaults ||
        field.type() != google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED ||
        !attribute.ParseFromString(field.length_delimited())) {
      continue;
    }
    const bool given = std::any_of(call.attribute().begin(), call.attribute().end(),
                                   [&](const auto& a) { return a.name() == attribute.name(); });
    if (!given) *result.add_attribute() = attribute;
  }
  return result;
}

/// Restores scope and values when the function is done, also by an error.
struct FunctionFrame {
  explicit FunctionFrame(ImportState& s) : state(s), scope(s.scope), values(std::move(s.values)) {
    state.values.clear();
  }
  ~FunctionFrame() {
    state.scope = std::move(scope);
    state.values = std::move(values);
  }
  FunctionFrame(const FunctionFrame&) = delete;
  FunctionFrame& operator=(const FunctionFrame&) = delete;

  ImportState& state;
  ImportScope scope;
  std::unordered_map<std::string, Value> values;
};

/// Formal inputs stand for the call's; one that the call leaves out has no value, and is struck
/// from the nodes that read it.
void bind_inputs(const onnx::NodeProto& call, const onnx::FunctionProto& function,
                 FunctionFrame& frame, NodeProtos& nodes) {
  check(call.input_size() <= function.input_size() && call.output_size() <= function.output_size(),
        ErrorCode::kInvalidFile, "function {} has {} inputs and {} outputs, but the node {} and {}",
        function.name(), function.input_size(), function.output_size(), call.input_size(),
        call.output_size());
  std::unordered_set<std::string> absent;
  for (int i = 0; i < function.input_size(); ++i) {
    const bool given = i < call.input_size() && !call.input(i).empty();
    if (!given) {
      absent.insert(function.input(i));
      continue;
    }
    const auto found = frame.values.find(call.input(i));
    check(found != frame.values.end(), ErrorCode::kInvalidFile,
          "input '{}' is made by no node before it", call.input(i));
    frame.state.values[function.input(i)] = found->second;
  }
  for (auto& node : nodes) {
    for (auto& input : *node.mutable_input()) {
      if (absent.contains(input)) input.clear();
    }
  }
}

}  // namespace

const onnx::GraphProto& subgraph(const Node& node, std::string_view attribute) {
  const auto* found = node.attribute(attribute);
  node.require(found != nullptr && found->has_g(), "attribute '{}' is missing, or no graph",
               attribute);
  return found->g();
}

Inliner::Inliner(Node& node, const onnx::GraphProto& graph)
    : state_(node.state()), graph_(graph), outside_(state_.scope) {
  state_.spend(&ImportBudget::made_bytes, static_cast<int64_t>(graph.ByteSizeLong()));
  std::unordered_set<std::string> wanted;
  for (const auto& output : graph.output()) wanted.insert(output.name());
  const NodeList live = live_nodes(graph.node(), wanted);
  refuse_unknown_operators(live, state_);
  for (const auto& input : graph.input()) inner_.push_back(input.name());
  for (const onnx::NodeProto* proto : live) {
    const bool constant = proto->op_type() == "Constant" && domain_of(proto->domain()).empty();
    (constant ? once_ : nodes_).push_back(proto);
    if (!constant) bytes_ += static_cast<int64_t>(proto->ByteSizeLong());
    for (const auto& output : proto->output()) {
      if (constant)
        set_aside(output);
      else
        inner_.push_back(output);
    }
  }
  for (const auto& name : inner_) set_aside(name);
  for (const auto& initializer : graph.initializer()) set_aside(initializer.name());
  state_.scope.own = names_;
  try {
    enter(state_);
    import_initializers(graph, wanted, state_);
    import_nodes(once_, state_);
  } catch (...) {
    restore();
    throw;
  }
}

Inliner::~Inliner() { restore(); }

void Inliner::restore() {
  for (const std::string& name : names_) state_.values.erase(name);
  state_.values.merge(hidden_);
  state_.scope = outside_;
}

void Inliner::set_aside(const std::string& name) {
  if (name.empty() || !names_.insert(name).second) return;
  if (auto found = state_.values.extract(name)) hidden_.insert(std::move(found));
}

std::vector<Value> Inliner::run(const std::vector<Value>& inputs, const std::string& label) {
  state_.spend(&ImportBudget::nodes, 1 + static_cast<int64_t>(nodes_.size()));
  state_.spend(&ImportBudget::made_bytes, bytes_);
  for (const std::string& name : inner_) state_.values.erase(name);
  state_.scope.label = label;
  check(static_cast<int>(inputs.size()) == graph_.input_size(), ErrorCode::kInvalidFile,
        "its graph '{}' has {} inputs, but gets {}", graph_.name(), graph_.input_size(),
        inputs.size());
  for (int i = 0; i < graph_.input_size(); ++i) {
    const auto at = static_cast<size_t>(i);
    check(state_.values.emplace(graph_.input(i).name(), inputs[at]).second, ErrorCode::kInvalidFile,
          "its graph defines '{}' twice", graph_.input(i).name());
  }
  import_nodes(nodes_, state_);
  std::vector<Value> results;
  for (const auto& output : graph_.output()) {
    const auto found = state_.values.find(output.name());
    check(found != state_.values.end(), ErrorCode::kInvalidFile,
          "no node of its graph makes the output '{}'", output.name());
    results.push_back(found->second);
  }
  return results;
}

void output_value(Node& node, int index, const Value& value, int first_new) {
  if (!value.tensor || node.network().constant_value(*value.tensor) != nullptr) {
    return node.output(index, value);
  }
  const bool old = value.tensor->index < first_new;
  node.output(index, old ? node.add(Identity{}, {*value.tensor}) : *value.tensor);
}

void import_function_call(const onnx::NodeProto& call, const onnx::FunctionProto& function,
                          ImportState& state) {
  Node node(call, 1, state);
  state.spend(&ImportBudget::nodes, 1 + function.node_size());
  state.spend(&ImportBudget::made_bytes, static_cast<int64_t>(function.ByteSizeLong()));
  const onnx::NodeProto complete = with_defaults(call, function);
  NodeProtos nodes = function.node();
  for (auto& inner : nodes) substitute(complete, inner);
  const int first_new = state.network.tensor_count();
  std::vector<Value> results;
  {
    const std::string label = node.name() + "/";
    FunctionFrame frame(state);
    enter(state);
    bind_inputs(call, function, frame, nodes);
    if (function.opset_import_size() > 0) state.scope.opsets = opsets_of(function.opset_import());
    state.scope.label = label;
    state.scope.own.clear();
    std::unordered_set<std::string> wanted;
    for (int i = 0; i < call.output_size(); ++i) {
      if (!call.output(i).empty()) wanted.insert(function.output(i));
    }
    const NodeList live = live_nodes(nodes, wanted);
    for (const onnx::NodeProto* inner : live) {
      state.scope.own.insert(inner->output().begin(), inner->output().end());
    }
    import_nodes(live, state);
    for (int i = 0; i < call.output_size(); ++i) {
      const auto found = state.values.find(function.output(i));
      const bool made = found != state.values.end();
      check(made || call.output(i).empty(), ErrorCode::kInvalidFile,
            "no node of the function makes its output '{}'", function.output(i));
      results.push_back(made ? found->second : Value{});
    }
    for (int i = 0; i < call.input_size(); ++i) {  // weights stay one layer, however often read
      const auto inside = state.values.find(function.input(i));
      if (inside == state.values.end() || !inside->second.tensor) continue;
      if (const auto given = frame.values.find(call.input(i)); given != frame.values.end()) {
        given->second = inside->second;
      }
    }
  }
  for (int i = 0; i < call.output_size(); ++i) {
    if (node.wants(i)) output_value(node, i, results[static_cast<size_t>(i)], first_new);
  }
}

}  // namespace octile
