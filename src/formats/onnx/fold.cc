// See fold.h. A value that depends on unknown extents is computed twice, once a probe (extents.h).
#include "formats/onnx/fold.h"

#include <algorithm>
#include <array>

#include "graph/interpreter.h"
#include "ops/ops.h"

namespace octile {
namespace {

/// Results are at most this many times as large as the inputs, or kMostMadeElements.
constexpr int64_t kMostGrowth = 16;

/// Of one element, beyond what evaluation_work() counts: its copies.
constexpr double kMaking = 8.0;

const Tensor* known_value(const ImportState& state, const Value& value, int which) {
  if (value.tensor && value.second == nullptr) return state.network.constant_value(*value.tensor);
  return which == 1 && value.second != nullptr ? value.second.get() : value.constant.get();
}

/// Refuses what a few bytes of a file ask for, but no memory or no patience has.
void require_moderate(ImportState& scratch, int64_t most) {
  const Network& network = scratch.network;
  for (int i = 0; i < network.tensor_count(); ++i) {
    const Shape& shape = network.shape(TensorId{i});
    check(shape.is_static() && shape.volume() <= most, ErrorCode::kUnsupported,
          "it makes a constant of shape {}, which is too large", shape.to_string());
  }
  for (const LayerId layer : network.layers()) {
    if (std::holds_alternative<Constant>(network.op(layer))) continue;
    std::vector<Shape> inputs, outputs;
    for (const TensorId t : network.inputs(layer)) inputs.push_back(network.shape(t));
    for (const TensorId t : network.outputs(layer)) outputs.push_back(network.shape(t));
    scratch.spend_work(evaluation_work(network.op(layer), inputs, outputs));
  }
}

/// The node's outputs (empty tensors for those it does not name) for one probe.
std::vector<Tensor> compute(const RuleRow& row, const onnx::NodeProto& proto, int64_t opset,
                            ImportState& state, int which, std::vector<std::string>& ignored) {
  ImportState scratch("constants");
  scratch.from_file = state.from_file;
  scratch.folder = state.folder;
  scratch.declared = state.declared;
  scratch.budget = state.budget;
  for (const std::string& name : proto.input()) {
    if (name.empty()) continue;
    const Tensor& known = *known_value(state, state.values.at(name), which);
    scratch.spend_work(kMaking * static_cast<double>(known.volume()));
    scratch.values[name] = Value::of(Tensor(known));
  }
  int64_t most = kMostMadeElements;
  for (const auto& [name, value] : scratch.values) {
    if (value.constant) most = std::max(most, value.constant->volume() * kMostGrowth);
  }
  Node node(proto, opset, scratch);
  row.rule(node);
  ignored = node.ignored_attributes();
  Network& network = scratch.network;
  require_moderate(scratch, most);
  state.budget = scratch.budget;
  std::vector<Tensor> results(static_cast<size_t>(proto.output_size()));
  std::vector<size_t> computed;
  for (int i = 0; i < proto.output_size(); ++i) {
    const auto found = scratch.values.find(proto.output(i));
    if (proto.output(i).empty() || found == scratch.values.end()) continue;
    if (found->second.tensor) {
      network.mark_output(*found->second.tensor);
      computed.push_back(static_cast<size_t>(i));
    } else {
      results[static_cast<size_t>(i)] = std::move(*found->second.constant);
    }
  }
  if (computed.empty()) return results;
  std::vector<Tensor> values = interpret(network, {});
  for (size_t i = 0; i < computed.size(); ++i) results[computed[i]] = std::move(values[i]);
  return results;
}

/// The probes are large: what is the smaller of an extent and a number they cannot tell.
bool compares_sizes(const std::string& op_type) {
  constexpr std::array<std::string_view, 9> kOps{"Min",         "Max",     "ReduceMin",
                                                 "ReduceMax",   "Clip",    "Less",
                                                 "LessOrEqual", "Greater", "GreaterOrEqual"};
  return std::find(kOps.begin(), kOps.end(), op_type) != kOps.end();
}

/// Runs the rule on the inputs as they are now, once somebody needs the output as a tensor.
std::shared_ptr<const Value::Maker> maker(const RuleRow& row, const onnx::NodeProto& proto,
                                          int64_t opset, const ImportState& state, int output) {
  auto inputs = std::make_shared<std::unordered_map<std::string, Value>>();
  for (const std::string& name : proto.input()) {
    if (!name.empty()) inputs->emplace(name, state.values.at(name));
  }
  const auto make = [&row, proto, opset, inputs, output, scope = state.scope](ImportState& later) {
    std::unordered_map<std::string, Value> values = *inputs;
    std::swap(later.values, values);
    const ImportScope outside = std::exchange(later.scope, scope);
    Node node(proto, opset, later);
    row.rule(node);
    Value& made = later.values.at(proto.output(output));
    const TensorId tensor = made.tensor ? *made.tensor : node.network().constant(*made.constant);
    later.scope = outside;
    std::swap(later.values, values);
    return tensor;
  };
  return std::make_shared<const Value::Maker>(make);
}

}  // namespace

bool is_foldable(const RuleRow& row, const Node& node) {
  if (!row.folds) return false;
  bool any = false;
  for (int i = 0; i < node.input_count(); ++i) {
    if (!node.has(i)) continue;
    any = true;
    if (node.value(i).constant == nullptr && node.known(i) == nullptr) return false;
  }
  return any;
}

bool fold(const RuleRow& row, const onnx::NodeProto& proto, int64_t opset, ImportState& state,
          std::vector<std::string>& ignored) {
  bool depends = false;
  for (const std::string& name : proto.input()) {
    depends = depends || (!name.empty() && state.values.at(name).second != nullptr);
  }
  if (depends && compares_sizes(proto.op_type())) return false;
  std::vector<Tensor> first = compute(row, proto, opset, state, 0, ignored), second;
  if (depends) second = compute(row, proto, opset, state, 1, ignored);
  for (size_t i = 0; i < second.size(); ++i) {
    if (first[i].data() != nullptr && !(first[i].shape() == second[i].shape())) return false;
  }
  for (int i = 0; i < proto.output_size(); ++i) {
    const auto at = static_cast<size_t>(i);
    if (proto.output(i).empty() || first[at].data() == nullptr) continue;
    Value value = Value::of(std::move(first[at]));
    state.spend(&ImportBudget::made_bytes, static_cast<int64_t>(value.constant->bytes()));
    state.spend_work(kMaking * static_cast<double>(value.constant->volume()));
    if (depends && !(*value.constant == second[at])) {
      value.second = std::make_shared<Tensor>(std::move(second[at]));
      value.maker = maker(row, proto, opset, state, i);
    }
    state.values[proto.output(i)] = std::move(value);
  }
  return true;
}

}  // namespace octile
