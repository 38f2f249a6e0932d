// recognize-activations: Swish, HardSwish, Mish and GELU, which ONNX files spell out as products of
// x and a function of x, become one Activation. Start reading at recognized().
#include <algorithm>
#include <cmath>
#include <numbers>

#include "compile/passes.h"
#include "compile/rewrite.h"

namespace octile {
namespace {

bool is_near(double a, double b) { return std::fabs(a - b) <= 1e-5 * std::fabs(b); }

const Elementwise* elementwise(const Network& network, LayerId layer) {
  return layer.valid() ? std::get_if<Elementwise>(&network.op(layer)) : nullptr;
}

/// The input of the droppable activation that makes `t`, if `kind`; else an invalid id.
TensorId input_of(const Network& network, TensorId t, ActivationKind kind, float alpha = NAN,
                  float beta = NAN) {
  const LayerId layer = droppable_producer(network, t);
  const auto* op = layer.valid() ? std::get_if<Activation>(&network.op(layer)) : nullptr;
  const auto fits = [](float value, float wanted) {
    return std::isnan(wanted) || value == wanted || is_near(value, wanted);
  };
  const bool same =
      op != nullptr && op->kind == kind && fits(op->alpha, alpha) && fits(op->beta, beta);
  return same ? network.inputs(layer)[0] : TensorId{};
}

/// x where `t` = x + addend, through a droppable layer.
TensorId before_addend(const Network& network, TensorId t, double addend) {
  const LayerId layer = droppable_producer(network, t);
  const auto* op = elementwise(network, layer);
  if (op == nullptr || op->kind != ElementwiseKind::kAdd) return {};
  for (const size_t i : {0, 1}) {
    const float value = scalar_or(network, network.inputs(layer)[1 - i], NAN);
    if (is_near(value, addend)) return network.inputs(layer)[i];
  }
  return {};
}

struct Product {
  std::vector<TensorId> factors;
  double constant = 1.0;
};

/// Takes products and quotients by numbers apart.
void collect(const Network& network, LayerId layer, Product& product) {
  const auto& inputs = network.inputs(layer);
  const bool quotient = elementwise(network, layer)->kind == ElementwiseKind::kDiv;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorId t = inputs[i];
    const double value = scalar_or(network, t, NAN);
    const LayerId inner = droppable_producer(network, t);
    const auto* op = elementwise(network, inner);
    const bool divides = op != nullptr && op->kind == ElementwiseKind::kDiv &&
                         !std::isnan(scalar_or(network, network.inputs(inner)[1], NAN));
    if (!std::isnan(value)) {
      product.constant *= quotient && i == 1 ? 1.0 / value : value;
    } else if (divides || (op != nullptr && op->kind == ElementwiseKind::kMul)) {
      collect(network, inner, product);
    } else {
      product.factors.push_back(t);
    }
  }
}

bool starts_product(const Network& network, LayerId layer) {
  const auto* op = elementwise(network, layer);
  if (op == nullptr || network.type(network.output(layer)) != DataType::kFloat32) return false;
  return op->kind == ElementwiseKind::kMul ||
         (op->kind == ElementwiseKind::kDiv &&
          !std::isnan(scalar_or(network, network.inputs(layer)[1], NAN)));
}

/// x where `t` = erf(x / √2) + 1, through droppable layers.
TensorId before_normal_cdf(const Network& network, TensorId t) {
  const TensorId erf = before_addend(network, t, 1.0);
  if (!erf.valid()) return {};
  const LayerId layer = droppable_producer(network, erf);
  const auto* op = layer.valid() ? std::get_if<Unary>(&network.op(layer)) : nullptr;
  if (op == nullptr || op->kind != UnaryKind::kErf) return {};
  const LayerId scaled = droppable_producer(network, network.inputs(layer)[0]);
  if (!scaled.valid() || !starts_product(network, scaled)) return {};
  Product product;
  collect(network, scaled, product);
  const bool fits =
      product.factors.size() == 1 && is_near(product.constant, 1.0 / std::numbers::sqrt2);
  return fits ? product.factors[0] : TensorId{};
}

/// The activation that x · y · constant is.
std::optional<Activation> recognized(const Network& network, TensorId x, TensorId y,
                                     double constant) {
  const auto is = [&](double factor, TensorId input) {
    return input == x && is_near(constant, factor);
  };
  if (is(1.0, input_of(network, y, ActivationKind::kSigmoid))) {
    return Activation{ActivationKind::kSwish, 1.0f, 0.0f};
  }
  if (is(1.0, input_of(network, y, ActivationKind::kHardSigmoid, 1.0f / 6.0f, 0.5f))) {
    return Activation{ActivationKind::kHardSwish, 0.0f, 0.0f};
  }
  if (const TensorId sum = input_of(network, y, ActivationKind::kClip, 0.0f, 6.0f);
      sum.valid() && is(1.0 / 6.0, before_addend(network, sum, 3.0))) {
    return Activation{ActivationKind::kHardSwish, 0.0f, 0.0f};
  }
  if (const TensorId plus = input_of(network, y, ActivationKind::kTanh);
      plus.valid() && is(1.0, input_of(network, plus, ActivationKind::kSoftplus, 1.0f, 1.0f))) {
    return Activation{ActivationKind::kMish, 0.0f, 0.0f};
  }
  if (is(0.5, before_normal_cdf(network, y))) {
    return Activation{ActivationKind::kGeluErf, 0.0f, 0.0f};
  }
  return std::nullopt;
}

}  // namespace

int recognize_activations(Network& network) {
  int changed = 0;
  auto layers = network.layers();
  std::reverse(layers.begin(), layers.end());  // the last layer of a product sees all of it
  for (const LayerId layer : layers) {
    if (!network.alive(layer) || !starts_product(network, layer)) continue;
    Product product;
    collect(network, layer, product);
    if (product.factors.size() != 2) continue;
    const TensorId a = product.factors[0], b = product.factors[1];
    auto op = recognized(network, a, b, product.constant);
    const TensorId x = op ? a : b;
    if (!op) op = recognized(network, b, a, product.constant);
    if (!op || network.shape(x) != network.shape(network.output(layer))) continue;
    put_in_place(network, layer, *op, {x});
    ++changed;
  }
  if (changed > 0) remove_dead_layers(network);
  return changed;
}

}  // namespace octile
