// add_onnx_node(): one ONNX operator on a network in memory. The network moves into an ImportState,
// where the importer's rule works on it as on a file's node, and back; what fails is cut off again.
#include <algorithm>
#include <utility>

#include "base/convert.h"
#include "formats/onnx/export_writer.h"
#include "formats/onnx/nodes.h"
#include "formats/onnx/probed_values.h"
#include "formats/onnx/rules.h"
#include "octile/onnx.h"

namespace octile {
namespace {

constexpr int kMostOutputs = 1 << 16;

/// "com.microsoft.QLinearAdd" → domain and type.
std::pair<std::string, std::string> split(const std::string& op_type) {
  const size_t dot = op_type.rfind('.');
  if (dot == std::string::npos) return {"", op_type};
  return {domain_of(op_type.substr(0, dot)), op_type.substr(dot + 1)};
}

const RuleRow& find_operator(const std::string& op_type) {
  const auto [domain, type] = split(op_type);
  const RuleRow* row = find_rule(domain, type);
  check(row != nullptr, ErrorCode::kUnsupported, "Octile lacks the ONNX operator '{}'", op_type);
  check(type != "If" && type != "Loop" && type != "Scan", ErrorCode::kUnsupported,
        "the ONNX operator '{}' has graphs in its attributes, which only a model file can hold; "
        "add the operators of its body instead",
        op_type);
  return *row;
}

void describe(onnx::NodeProto& proto, const OnnxAttributes& attributes) {
  for (const auto& entry : attributes) {
    const std::string& key = entry.first;
    const auto* tensor = std::get_if<Tensor>(&entry.second);
    check(tensor == nullptr || tensor->data() != nullptr, ErrorCode::kInvalidArgument,
          "attribute '{}' has no value", key);
    std::visit([&](const auto& v) { set(proto, key.c_str(), v); }, entry.second);
    // For Node::typed(): whole numbers stand for floats.
    onnx::AttributeProto& written = *proto.mutable_attribute(proto.attribute_size() - 1);
    if (written.has_i()) written.set_f(static_cast<float>(written.i()));
    for (const int64_t v : written.ints()) written.add_floats(static_cast<float>(v));
  }
}

/// Symbols of all extents that are not known, as an import from the start would have given them,
/// and what is computed from extents.
ProbedValues follow_network(ImportState& state) {
  const Network& network = state.network;
  for (const TensorId input : network.inputs()) {
    std::vector<Symbol> symbols;
    for (const int64_t extent : network.shape(input)) {
      symbols.push_back(extent == kDynamic ? state.extents.symbol() : kNoSymbol);
    }
    state.extents.set(input, std::move(symbols));
  }
  ProbedValues values;
  for (const LayerId layer : network.layers()) {
    state.extents.follow(network, layer);
    values.follow(network, layer, state.extents);
  }
  return values;
}

/// A NodeAdder adds one node to the network that `state` holds for the time being.
class NodeAdder {
 public:
  NodeAdder(ImportState& state, const RuleRow& row, const std::string& name)
      : state_(state), network_(state.network), row_(row), first_(network_.layer_count()) {
    check(!network_.find_layer(name), ErrorCode::kInvalidArgument,
          "network '{}' already has a layer named '{}'; choose another name", network_.name(),
          name);
    proto_.set_op_type(std::string(row.op_type));
    proto_.set_domain(std::string(row.domain));
    proto_.set_name(name.empty() ? state.free_layer_name(proto_.op_type()) : name);
  }

  const std::string& name() const { return proto_.name(); }

  void describe_inputs(std::vector<OnnxInput> inputs) {
    while (!inputs.empty() && std::holds_alternative<std::monostate>(inputs.back())) {
      inputs.pop_back();
    }
    const bool open = std::any_of(inputs.begin(), inputs.end(), [&](const OnnxInput& input) {
      const auto* tensor = std::get_if<TensorId>(&input);
      return tensor != nullptr && hangs_on_extents(*tensor);
    });
    if (open) known_ = follow_network(state_);
    auto types = std::make_shared<std::unordered_map<std::string, int>>();
    for (OnnxInput& given : inputs) {
      std::string name;
      if (const auto* tensor = std::get_if<TensorId>(&given)) {
        name = define(*tensor);
        types->emplace(name, onnx_type_of(network_.type(*tensor)));
      } else if (auto* value = std::get_if<Tensor>(&given)) {
        const int type = onnx_type_of(value->type());
        name = define(std::move(*value));
        types->emplace(name, type);
      }
      proto_.add_input(name);
    }
    state_.declared = std::move(types);
  }

  std::vector<TensorId> run(const OnnxAttributes& attributes, int outputs, int64_t opset) {
    describe(proto_, attributes);
    for (int i = 0; i < outputs; ++i) {
      const std::string suffix = i == 0 ? "_output" : fmt::format("_output_{}", i + 1);
      proto_.add_output(free_tensor_name(name() + suffix));
    }
    const std::vector<std::string> ignored =
        import_by_rule(row_, proto_, row_.domain.empty() ? opset : 1, state_);
    check(ignored.empty(), ErrorCode::kInvalidArgument, "attribute '{}' is not known",
          ignored.empty() ? "" : ignored[0]);
    std::vector<TensorId> results;
    for (int i = 0; i < outputs; ++i) results.push_back(output(i, results));
    name_main_layer(network_.producer(results[0]));
    return results;
  }

 private:
  /// Perhaps: its own extents, or numbers computed from some.
  bool hangs_on_extents(TensorId tensor) const {
    return !network_.shape(tensor).is_static() ||
           (network_.producer(tensor).valid() && network_.constant_value(tensor) == nullptr &&
            !is_real(network_.type(tensor)));
  }

  /// The name under which the node reads the tensor.
  std::string define(TensorId tensor) {
    Value value = Value::of(tensor);
    const Tensor* constant = network_.constant_value(tensor);
    if (constant != nullptr) state_.grow_budget(*constant);
    const auto* pair = constant == nullptr ? known_.find(tensor) : nullptr;
    if (pair != nullptr) {
      if ((*pair)[0] == (*pair)[1]) return define(Tensor((*pair)[0]));
      value.constant = std::make_shared<Tensor>((*pair)[0]);
      value.second = std::make_shared<Tensor>((*pair)[1]);
    }
    state_.values[network_.name(tensor)] = std::move(value);
    return network_.name(tensor);
  }

  std::string define(Tensor value) {
    const int index = proto_.input_size();
    check(value.data() != nullptr, ErrorCode::kInvalidArgument, "input {} has no value", index);
    std::string input = free_tensor_name(fmt::format("{}.input_{}", name(), index));
    state_.grow_budget(value);
    const bool wide = is_real(value.type()) && value.type() != DataType::kFloat32;
    state_.values[input] = Value::of(wide ? value.cast(DataType::kFloat32) : std::move(value));
    return input;
  }

  std::string free_tensor_name(const std::string& base) const {
    std::string free = base;
    for (int copy = 2; network_.find_tensor(free); ++copy) free = fmt::format("{}#{}", base, copy);
    return free;
  }

  /// Output `index` as a tensor of its own, under its name.
  TensorId output(int index, const std::vector<TensorId>& earlier) {
    const std::string& wanted = proto_.output(index);
    const auto found = state_.values.find(wanted);
    check(found != state_.values.end(), ErrorCode::kInvalidArgument,
          "it has no output {}; {} were asked for", index, proto_.output_size());
    Value& value = found->second;
    TensorId tensor = value.second != nullptr ? state_.computed(value, wanted)
                      : value.tensor          ? *value.tensor
                                              : network_.constant(std::move(*value.constant),
                                                                  state_.free_layer_name(name()));
    const bool taken = network_.producer(tensor).index < first_ ||
                       std::find(earlier.begin(), earlier.end(), tensor) != earlier.end();
    if (taken) tensor = network_.identity(tensor, state_.free_layer_name(name()));
    state_.name_tensor(tensor, wanted);
    return tensor;
  }

  /// Rules number the layers that no suffix tells from each other: the last one takes the name.
  void name_main_layer(LayerId main) {
    const std::string before = network_.name(main);
    const auto holder = network_.find_layer(name());
    if (!before.starts_with(name() + "#") || !holder) return;
    network_.rename(*holder, state_.free_layer_name(name() + "#"));
    network_.rename(main, name());
    network_.rename(*holder, before);
  }

  ImportState& state_;
  Network& network_;
  const RuleRow& row_;
  const int first_;     // of the layers that are added
  ProbedValues known_;  // of the network, where extents matter
  onnx::NodeProto proto_;
};

}  // namespace

std::vector<TensorId> add_onnx_node(Network& network, const std::string& op_type,
                                    std::vector<OnnxInput> inputs, const OnnxAttributes& attributes,
                                    int outputs, int64_t opset, const std::string& name) {
  const RuleRow& row = find_operator(op_type);
  check(outputs >= 1 && outputs <= kMostOutputs, ErrorCode::kInvalidArgument,
        "ONNX operator '{}' cannot have {} outputs", op_type, outputs);
  check(opset >= kOldestOpset && opset <= kNewestOpset, ErrorCode::kInvalidArgument,
        "ONNX operator '{}': operator set {} is none that Octile knows ({} to {})", op_type, opset,
        kOldestOpset, kNewestOpset);
  const int before = network.layer_count();
  ImportState state(network.name());
  state.from_file = false;
  state.scope.opsets[""] = opset;
  state.network = std::move(network);
  std::vector<TensorId> results;
  try {
    NodeAdder adder(state, row, name);
    at_place(fmt::format("node '{}' ({})", adder.name(), op_type), [&] {
      adder.describe_inputs(std::move(inputs));
      results = adder.run(attributes, outputs, opset);
    });
  } catch (...) {
    state.network.truncate(before);
    network = std::move(state.network);
    try {
      throw;
    } catch (const Error& error) {  // there is no file to blame
      if (error.code() != ErrorCode::kInvalidFile) throw;
      throw Error(ErrorCode::kInvalidArgument, error.what());
    }
  }
  network = std::move(state.network);
  return results;
}

}  // namespace octile
