// MatMul and Gemm. A bias or a constant factor goes into the one MatrixMultiply where it can.
#include <algorithm>
#include <optional>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// A constant C of Gemm as a bias (N): shapes (), (1), (N), (1, N). One value for very many columns
/// is added behind the product instead.
std::optional<Tensor> as_bias(Node& node, float beta) {
  const Tensor* c = node.known(2);
  const Shape b = node.shape(1);
  const int64_t columns = b[node.integer("transB", 0) != 0 ? 0 : 1];
  if (c == nullptr || c->type() != DataType::kFloat32 || columns == kDynamic) return std::nullopt;
  const Shape& shape = c->shape();
  const int64_t last = shape.rank() == 0 ? 1 : shape[shape.rank() - 1];
  if (c->volume() != last || (last != 1 && last != columns)) return std::nullopt;
  if (columns > std::max(last, kMostMadeElements)) return std::nullopt;
  Tensor bias(DataType::kFloat32, Shape{columns});
  for (int64_t i = 0; i < columns; ++i) {
    bias.as<float>()[i] = beta * c->as<float>()[last == 1 ? 0 : i];
  }
  return bias;
}

/// A bias of the right shape that is no constant yet but comes from one: quantized models store it
/// as DequantizeLinear of int32 integers.
bool is_quantized_bias(Node& node, float beta) {
  const Value& c = node.value(2);
  const int64_t columns = node.shape(1)[node.integer("transB", 0) != 0 ? 0 : 1];
  if (beta != 1.0f || !c.tensor || columns == kDynamic || node.shape(2) != Shape{columns}) {
    return false;
  }
  const Network& network = node.network();
  const LayerId layer = network.producer(*c.tensor);
  return layer.valid() && std::holds_alternative<Dequantize>(network.op(layer)) &&
         network.constant_value(network.inputs(layer)[0]) != nullptr;
}

/// The right operand times alpha: in the constant when it is one.
TensorId scaled_right(Node& node, float alpha) {
  const Tensor* b = node.known(1);
  if (alpha == 1.0f) return node.in(1);
  if (b == nullptr || b->type() != DataType::kFloat32) {
    return node.with_scalar(ElementwiseKind::kMul, node.in(1), static_cast<double>(alpha));
  }
  Tensor scaled = *b;
  for (int64_t i = 0; i < scaled.volume(); ++i) scaled.as<float>()[i] *= alpha;
  return node.add_constant(std::move(scaled), "weights");
}

}  // namespace

void import_matmul(Node& node) {
  node.output(node.add(MatrixMultiply{}, {node.in(0), node.in(1)}));
}

void import_gemm(Node& node) {
  const float alpha = node.number("alpha", 1.0f), beta = node.number("beta", 1.0f);
  node.require(node.rank(0) == 2 && node.rank(1) == 2, "its operands {} and {} must be matrices",
               node.shape(0).to_string(), node.shape(1).to_string());
  const MatrixMultiply op{node.integer("transA", 0) != 0, node.integer("transB", 0) != 0};
  std::vector<TensorId> inputs{node.in(0), scaled_right(node, alpha)};
  const bool has_c = node.has(2) && beta != 0.0f;
  const std::optional<Tensor> bias = has_c ? as_bias(node, beta) : std::nullopt;
  if (bias) {
    const bool as_it_is = beta == 1.0f && node.known(2)->shape() == bias->shape();
    inputs.push_back(as_it_is ? node.in(2) : node.add_constant(*bias, "bias"));
  }
  const bool own = has_c && !bias && is_quantized_bias(node, beta);
  if (own) inputs.push_back(node.in(2));
  TensorId y = node.add(op, inputs);
  if (has_c && !bias && !own) {
    TensorId c = node.in(2);
    if (beta != 1.0f) c = node.with_scalar(ElementwiseKind::kMul, c, static_cast<double>(beta));
    y = node.elementwise(ElementwiseKind::kAdd, y, c);
  }
  node.output(y);
}

}  // namespace octile
