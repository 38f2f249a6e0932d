// ConvInteger, MatMulInteger: int32 sums, which float layers could not hold. DynamicQuantizeLinear
// with ONNX's meaning: one range a tensor.
#include "formats/onnx/quantized.h"
#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// An 8-bit input minus its zero point (input `points`, which may be left out), in int32. Lists of
/// zero points go along `axis`; those of higher rank broadcast as they are.
TensorId centred(Node& node, int x, int points, int64_t axis) {
  const DataType type = node.type(x);
  node.require(type == DataType::kInt8 || type == DataType::kUInt8,
               "input {} is {}, but must be int8 or uint8", x, name_of(type));
  const TensorId wide = node.cast(node.in(x), DataType::kInt32);
  if (!node.has(points)) return wide;
  node.require(node.type(points) == type, "its input is {} but its zero point {}", name_of(type),
               name_of(node.type(points)));
  const TensorId zero = node.rank(points) > 1 ? node.cast(node.in(points), DataType::kInt32)
                                              : broadcast_parameter(node, points, DataType::kInt32,
                                                                    axis, node.rank(x));
  return node.elementwise(ElementwiseKind::kSub, wide, zero);
}

TensorId scalar(Node& node, float value, std::string_view suffix) {
  Tensor tensor(DataType::kFloat32, Shape{});
  *tensor.as<float>() = value;
  return node.add_constant(std::move(tensor), suffix);
}

/// The tensor's extreme, widened to hold 0.
TensorId bound(Node& node, TensorId x, ReduceKind kind) {
  const TensorId extreme = node.add(Reduce{.kind = kind, .axes = {}, .keep_dims = false}, {x});
  return node.with_scalar(kind == ReduceKind::kMin ? ElementwiseKind::kMin : ElementwiseKind::kMax,
                          extreme, 0.0);
}

}  // namespace

void import_conv_integer(Node& node) {
  Convolution op = read_convolution(node, 1);
  const TensorId x = centred(node, 0, 2, 0), w = centred(node, 1, 3, 0);
  node.require(!node.has(2) || node.network().shape(x) == node.shape(0),
               "the zero point of its input must be one number");
  node.output(node.add(std::move(op), {x, w}));  // padding is 0 now: the zero point went before
}

void import_matmul_integer(Node& node) {
  node.require(node.rank(0) >= 1 && node.rank(1) >= 1, "its operands must not be scalars");
  const TensorId a = centred(node, 0, 2, node.rank(0) > 1 ? -2 : -1);
  const TensorId b = centred(node, 1, 3, -1);
  node.output(node.add(MatrixMultiply{}, {a, b}));
}

void import_dynamic_quantize_linear(Node& node) {
  const TensorId x = node.in(0);
  const TensorId lo = bound(node, x, ReduceKind::kMin), hi = bound(node, x, ReduceKind::kMax);
  const TensorId span = node.elementwise(ElementwiseKind::kSub, hi, lo);
  TensorId scale = node.with_scalar(ElementwiseKind::kDiv, span, 255.0);
  const TensorId flat = node.with_scalar(ElementwiseKind::kEqual, scale, 0.0);
  scale = node.add(Select{}, {flat, scalar(node, 1.0f, "one"), scale});
  const Activation clip{ActivationKind::kClip, 0.0f, 255.0f};
  TensorId zero = node.unary(UnaryKind::kNeg, node.elementwise(ElementwiseKind::kDiv, lo, scale));
  zero = node.unary(UnaryKind::kRound, node.add(clip, {zero}));
  TensorId q = node.unary(UnaryKind::kRound, node.elementwise(ElementwiseKind::kDiv, x, scale));
  q = node.add(clip, {node.elementwise(ElementwiseKind::kAdd, q, zero)});
  node.output(0, node.cast(q, DataType::kUInt8));
  node.output(1, scale);
  node.output(2, node.cast(zero, DataType::kUInt8));
}

}  // namespace octile
