// See fold.h. A value that depends on unknown extents is computed twice, once a probe (extents.h).
#include "formats/onnx/fold.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "graph/interpreter.h"

namespace octile {
namespace {

/// Results are at most this many times as large as the inputs, or kMostMadeElements.
constexpr int64_t kMostGrowth = 16;

const Tensor* known_value(const ImportState& state, const Value& value, int which) {
  if (value.tensor && value.second == nullptr) return state.network.constant_value(*value.tensor);
  return which == 1 && value.second != nullptr ? value.second.get() : value.constant.get();
}

/// Multiplications and the like that computing a constant may take; a few seconds.
constexpr double kMostWork = 4e9;

/// About how many elements one element of the layer's result is made of.
double terms(const Network& network, LayerId layer) {
  const auto& inputs = network.inputs(layer);
  const auto volume = [&](size_t i) {
    return static_cast<double>(network.shape(inputs[i]).volume());
  };
  const Op& op = network.op(layer);
  const double made =
      std::max(1.0, static_cast<double>(network.shape(network.output(layer)).volume()));
  if (std::holds_alternative<MatrixMultiply>(op)) return std::sqrt(volume(0) * volume(1) / made);
  if (std::holds_alternative<Convolution>(op) || std::holds_alternative<Deconvolution>(op)) {
    return volume(1);
  }
  if (std::holds_alternative<Recurrent>(op)) return volume(1) + volume(2);
  if (std::holds_alternative<Fourier>(op)) return std::max(1.0, made / 2);
  if (const auto* pooling = std::get_if<Pooling>(&op)) {
    double window = pooling->global ? volume(0) : 1.0;
    for (const int64_t extent : pooling->window.kernel) window *= static_cast<double>(extent);
    return window;
  }
  return 1.0;
}

/// Refuses what a few bytes of a file ask for, but no memory or no patience has.
void require_moderate(const Network& network, int64_t most) {
  double work = 0.0;
  for (int i = 0; i < network.tensor_count(); ++i) {
    const Shape& shape = network.shape(TensorId{i});
    check(shape.is_static() && shape.volume() <= most, ErrorCode::kUnsupported,
          "it makes a constant of shape {}, which is too large", shape.to_string());
  }
  for (const LayerId layer : network.layers()) {
    const double made = static_cast<double>(network.shape(network.output(layer)).volume());
    if (!std::holds_alternative<Constant>(network.op(layer))) work += made * terms(network, layer);
  }
  check(work <= kMostWork, ErrorCode::kUnsupported,
        "computing it at import takes too long; give its inputs as inputs of the model");
}

/// The node's outputs (empty tensors for those it does not name) for one probe.
std::vector<Tensor> compute(const RuleRow& row, const onnx::NodeProto& proto, int64_t opset,
                            ImportState& state, int which, std::vector<std::string>& ignored) {
  ImportState scratch("constants");
  scratch.from_file = state.from_file;
  scratch.folder = state.folder;
  scratch.declared = state.declared;
  for (const std::string& name : proto.input()) {
    if (name.empty()) continue;
    const Tensor& known = *known_value(state, state.values.at(name), which);
    state.spend(&ImportBudget::moved_bytes, static_cast<int64_t>(known.bytes()));
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
  require_moderate(network, most);
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
    if (depends && !(*value.constant == second[at])) {
      value.second = std::make_shared<Tensor>(std::move(second[at]));
      value.maker = maker(row, proto, opset, state, i);
    }
    state.values[proto.output(i)] = std::move(value);
  }
  return true;
}

}  // namespace octile
