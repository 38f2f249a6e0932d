// See table_ends.h.
#include "compile/table_ends.h"

#include <algorithm>

namespace octile {
namespace {

bool is_never_negative(const Activation& op) {
  switch (op.kind) {
    case ActivationKind::kRelu:
    case ActivationKind::kSigmoid:
    case ActivationKind::kHardSigmoid: return true;
    case ActivationKind::kSoftplus:
    case ActivationKind::kThresholdedRelu: return op.alpha >= 0.0f;
    case ActivationKind::kClip: return op.alpha >= 0.0f;
    default: return false;
  }
}

/// Ops that make no sign where their inputs have none.
bool keeps_signs(const Op& op) {
  if (const auto* elementwise = std::get_if<Elementwise>(&op)) {
    return elementwise->kind == ElementwiseKind::kAdd ||
           elementwise->kind == ElementwiseKind::kMul ||
           elementwise->kind == ElementwiseKind::kMax || elementwise->kind == ElementwiseKind::kMin;
  }
  if (const auto* padding = std::get_if<Padding>(&op)) return padding->value >= 0.0f;
  if (const auto* resize = std::get_if<Resize>(&op)) return resize->kind != ResizeKind::kCubic;
  return std::holds_alternative<Pooling>(op) || std::holds_alternative<Shuffle>(op) ||
         std::holds_alternative<Slice>(op) || std::holds_alternative<Concatenation>(op) ||
         std::holds_alternative<Identity>(op) || std::holds_alternative<Gather>(op) ||
         std::holds_alternative<Reduce>(op) || std::holds_alternative<Select>(op);
}

}  // namespace

CalibrationTable with_both_ends(const Network& network, const CalibrationTable& table) {
  std::vector<bool> positive(static_cast<size_t>(network.tensor_count()), false);
  const auto is_positive = [&](TensorId t) {
    const Tensor* value = network.constant_value(t);
    if (value == nullptr) return static_cast<bool>(positive[static_cast<size_t>(t.index)]);
    if (value->type() != DataType::kFloat32) return true;  // indices, conditions
    const auto values = value->span<float>();
    return std::all_of(values.begin(), values.end(), [](float v) { return v >= 0.0f; });
  };
  for (const LayerId layer : network.layers()) {
    const Op& op = network.op(layer);
    const auto* activation = std::get_if<Activation>(&op);
    const auto& inputs = network.inputs(layer);
    const bool result = std::holds_alternative<Softmax>(op) ||
                        (activation != nullptr && is_never_negative(*activation)) ||
                        (keeps_signs(op) && std::all_of(inputs.begin(), inputs.end(), is_positive));
    for (const TensorId t : network.outputs(layer)) positive[static_cast<size_t>(t.index)] = result;
  }
  CalibrationTable result = table;
  for (auto& [name, entry] : result.entries) {
    const auto tensor = network.find_tensor(name);
    const bool one_sided = tensor && is_positive(*tensor);
    entry.range = {one_sided ? 0.0f : -entry.threshold, entry.threshold};
  }
  return result;
}

}  // namespace octile
