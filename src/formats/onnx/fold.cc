// See fold.h. A value that depends on unknown extents is computed twice, once a probe (extents.h).
#include "formats/onnx/fold.h"

#include <algorithm>

#include "graph/interpreter.h"

namespace octile {
namespace {

/// Results are at most this many times as large as the inputs, or kMostMadeElements.
constexpr int64_t kMostGrowth = 16;

const Tensor* known_value(const ImportState& state, const Value& value, int which) {
  if (value.tensor) return state.network.constant_value(*value.tensor);
  return which == 1 && value.second != nullptr ? value.second.get() : value.constant.get();
}

/// The node's outputs (empty tensors for those it does not name) for one probe.
std::vector<Tensor> compute(const RuleRow& row, const onnx::NodeProto& proto, int64_t opset,
                            const ImportState& state, int which) {
  ImportState scratch("constants");
  scratch.folder = state.folder;
  scratch.declared = state.declared;
  for (const std::string& name : proto.input()) {
    if (name.empty()) continue;
    scratch.values[name] = Value::of(Tensor(*known_value(state, state.values.at(name), which)));
  }
  int64_t most = kMostMadeElements;
  for (const auto& [name, value] : scratch.values) {
    if (value.constant) most = std::max(most, value.constant->volume() * kMostGrowth);
  }
  Node node(proto, opset, scratch);
  row.rule(node);
  Network& network = scratch.network;
  for (int i = 0; i < network.tensor_count(); ++i) {
    const Shape& shape = network.shape(TensorId{i});
    check(shape.is_static() && shape.volume() <= most, ErrorCode::kUnsupported,
          "it makes a constant of shape {}, which is too large", shape.to_string());
  }
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

void fold(const RuleRow& row, const onnx::NodeProto& proto, int64_t opset, ImportState& state) {
  bool depends = false;
  for (const std::string& name : proto.input()) {
    depends = depends || (!name.empty() && state.values.at(name).second != nullptr);
  }
  std::vector<Tensor> first = compute(row, proto, opset, state, 0), second;
  if (depends) second = compute(row, proto, opset, state, 1);
  for (int i = 0; i < proto.output_size(); ++i) {
    const auto at = static_cast<size_t>(i);
    if (proto.output(i).empty() || first[at].data() == nullptr) continue;
    Value value = Value::of(std::move(first[at]));
    if (depends && !(*value.constant == second[at])) {
      check(value.constant->shape() == second[at].shape(), ErrorCode::kUnsupported,
            "the shape of '{}' depends on extents that are not known at import; give the model's "
            "inputs fixed shapes",
            proto.output(i));
      value.second = std::make_shared<Tensor>(std::move(second[at]));
    }
    state.values[proto.output(i)] = std::move(value);
  }
}

}  // namespace octile
