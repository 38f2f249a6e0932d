// Activations: one row an operator says its kind and where alpha and beta come from.
#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Attribute names ("" when the value is fixed) and ONNX's defaults.
struct ActivationRow {
  std::string_view op_type;
  ActivationKind kind;
  std::string_view alpha_name;
  float alpha;
  std::string_view beta_name;
  float beta;
};

constexpr ActivationRow kActivations[] = {
    {"Elu", ActivationKind::kElu, "alpha", 1.0f, "", 0.0f},
    {"HardSigmoid", ActivationKind::kHardSigmoid, "alpha", 0.2f, "beta", 0.5f},
    {"HardSwish", ActivationKind::kHardSwish, "", 0.0f, "", 0.0f},
    {"LeakyRelu", ActivationKind::kLeakyRelu, "alpha", 0.01f, "", 0.0f},
    {"Mish", ActivationKind::kMish, "", 0.0f, "", 0.0f},
    {"QuickGelu", ActivationKind::kSwish, "alpha", 1.702f, "", 0.0f},
    {"Relu", ActivationKind::kRelu, "", 0.0f, "", 0.0f},
    {"Selu", ActivationKind::kSelu, "alpha", 1.67326319217681884765625f, "gamma",
     1.05070102214813232421875f},
    {"Sigmoid", ActivationKind::kSigmoid, "", 0.0f, "", 0.0f},
    {"Softplus", ActivationKind::kSoftplus, "", 1.0f, "", 1.0f},
    {"Softsign", ActivationKind::kSoftsign, "", 0.0f, "", 0.0f},
    {"Swish", ActivationKind::kSwish, "alpha", 1.0f, "", 0.0f},
    {"Tanh", ActivationKind::kTanh, "", 0.0f, "", 0.0f},
    {"ThresholdedRelu", ActivationKind::kThresholdedRelu, "alpha", 1.0f, "", 0.0f},
};

/// min(max(x, lo), hi) by element-wise layers; a missing bound is invalid.
TensorId clip_by_layers(Node& node, TensorId x) {
  for (const auto& [index, kind] :
       {std::pair{1, ElementwiseKind::kMax}, std::pair{2, ElementwiseKind::kMin}}) {
    if (!node.has(index)) continue;
    const TensorId bound = node.cast(node.in(index), node.network().type(x));
    x = node.elementwise(kind, x, bound);
  }
  return x;
}

}  // namespace

void import_activation(Node& node) {
  const auto* row = std::find_if(std::begin(kActivations), std::end(kActivations),
                                 [&](const auto& r) { return r.op_type == node.op_type(); });
  check(row != std::end(kActivations), ErrorCode::kInternal, "no activation {}", node.op_type());
  Activation op{row->kind, row->alpha, row->beta};
  if (!row->alpha_name.empty()) op.alpha = node.number(row->alpha_name, row->alpha);
  if (!row->beta_name.empty()) op.beta = node.number(row->beta_name, row->beta);
  if (op.kind == ActivationKind::kRelu && node.type(0) != DataType::kFloat32) {
    return node.output(node.with_scalar(ElementwiseKind::kMax, node.in(0), 0.0));
  }
  node.output(node.add(op, {node.in(0)}));
}

void import_clip(Node& node) {
  Activation op{ActivationKind::kClip, -kInfinity, kInfinity};
  const DataType type = node.type(0);
  if (node.opset() < 11) {
    op.alpha = node.number("min", op.alpha);
    op.beta = node.number("max", op.beta);
  } else {
    const bool fixed = (!node.has(1) || node.known(1)) && (!node.has(2) || node.known(2));
    if (type != DataType::kFloat32 || !fixed) {
      const bool narrow = type != DataType::kFloat32 && type != DataType::kInt64;
      const TensorId x = narrow ? node.cast(node.in(0), DataType::kInt32) : node.in(0);
      return node.output(node.cast(clip_by_layers(node, x), type));
    }
    if (node.has(1)) op.alpha = node.number_input(1, "min");
    if (node.has(2)) op.beta = node.number_input(2, "max");
  }
  op.alpha = std::min(op.alpha, op.beta);  // ONNX: the upper bound wins
  if (op.alpha == 0.0f && op.beta == kInfinity) op = {ActivationKind::kRelu, 0.0f, 0.0f};
  node.output(node.add(op, {node.in(0)}));
}

/// PRelu: one slope is a leaky ReLU; else max(x, 0) + slope · min(x, 0).
void import_prelu(Node& node) {
  const Tensor* slope = node.known(1);
  if (slope != nullptr && slope->volume() == 1) {
    const float alpha = node.number_input(1, "slope");
    return node.output(node.add(Activation{ActivationKind::kLeakyRelu, alpha, 0.0f}, {node.in(0)}));
  }
  const TensorId x = node.in(0);
  const TensorId positive = node.add(Activation{ActivationKind::kRelu, 0.0f, 0.0f}, {x});
  const TensorId negative = node.with_scalar(ElementwiseKind::kMin, x, 0.0);
  const TensorId scaled = node.elementwise(ElementwiseKind::kMul, negative, node.in(1));
  node.output(node.elementwise(ElementwiseKind::kAdd, positive, scaled));
}

/// Celu(x) = α · Elu(x / α) with Elu's own alpha 1.
void import_celu(Node& node) {
  const float alpha = node.number("alpha", 1.0f);
  const Activation elu{ActivationKind::kElu, 1.0f, 0.0f};
  if (alpha == 1.0f) return node.output(node.add(elu, {node.in(0)}));
  const TensorId inner = node.with_scalar(ElementwiseKind::kDiv, node.in(0), alpha);
  node.output(node.with_scalar(ElementwiseKind::kMul, node.add(elu, {inner}), alpha));
}

/// x < −λ: x + bias; x > λ: x − bias; else 0.
void import_shrink(Node& node) {
  const double lambda = node.number("lambd", 0.5f), bias = node.number("bias", 0.0f);
  const DataType type = node.type(0);
  const TensorId x = node.cast(node.in(0), DataType::kFloat32);
  const TensorId zero = node.add_constant(Tensor::scalar(0.0f), "zero");
  const TensorId above = node.with_scalar(ElementwiseKind::kGreater, x, lambda);
  const TensorId below = node.with_scalar(ElementwiseKind::kLess, x, -lambda);
  const TensorId high =
      node.add(Select{}, {above, node.with_scalar(ElementwiseKind::kSub, x, bias), zero});
  const TensorId y =
      node.add(Select{}, {below, node.with_scalar(ElementwiseKind::kAdd, x, bias), high});
  node.output(node.cast(y, type));
}

/// Gelu, and FastGelu (tanh form, with an optional bias) of com.microsoft.
void import_gelu(Node& node) {
  const std::string form = node.op_type() == "FastGelu" ? "tanh" : node.text("approximate", "none");
  node.require(form == "none" || form == "tanh", "attribute 'approximate' is '{}'", form);
  TensorId x = node.in(0);
  if (node.has(1)) x = node.elementwise(ElementwiseKind::kAdd, x, node.in(1));
  const auto kind = form == "tanh" ? ActivationKind::kGeluTanh : ActivationKind::kGeluErf;
  node.output(node.add(Activation{kind, 0.0f, 0.0f}, {x}));
}

}  // namespace octile
