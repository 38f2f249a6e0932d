// com.microsoft's quantized operators that are no products: Dequantize, the float layer, Quantize.
#include "formats/onnx/quantized.h"
#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// x, scale, zero point, y scale, y zero point: one input through a float layer.
void import_unary_between(Node& node, Op op) {
  const TensorId x = dequantized(node, 0, {1, 2}, "dequantize");
  node.output(quantized(node, node.add(std::move(op), {x}), {3, 4}, node.type(0), "quantize"));
}

void import_binary_between(Node& node, ElementwiseKind kind) {
  const TensorId a = dequantized(node, 0, {1, 2}, "a.dequantize");
  const TensorId b = dequantized(node, 3, {4, 5}, "b.dequantize");
  node.output(quantized(node, node.elementwise(kind, a, b), {6, 7}, node.type(0), "quantize"));
}

void refuse_channels_last(Node& node) {
  if (node.integer("channels_last", 0) != 0) {
    node.unsupported("its images are (N, …, C); Octile takes them as (N, C, …)");
  }
}

}  // namespace

void import_qlinear_add(Node& node) { import_binary_between(node, ElementwiseKind::kAdd); }
void import_qlinear_mul(Node& node) { import_binary_between(node, ElementwiseKind::kMul); }

void import_qlinear_average_pool(Node& node) {
  refuse_channels_last(node);
  import_unary_between(node, read_pooling(node));
}

void import_qlinear_global_average_pool(Node& node) {
  refuse_channels_last(node);
  import_unary_between(node, Pooling{.kind = PoolingKind::kAverage, .window = {}, .global = true});
}

void import_qlinear_sigmoid(Node& node) {
  import_unary_between(node, Activation{ActivationKind::kSigmoid, 0.0f, 0.0f});
}

void import_qlinear_leaky_relu(Node& node) {
  import_unary_between(node,
                       Activation{ActivationKind::kLeakyRelu, node.number("alpha", 0.01f), 0.0f});
}

/// `opset` says which Softmax is meant: before 13, over all axes from `axis` on.
void import_qlinear_softmax(Node& node) {
  const int rank = node.rank(0);
  const bool flattened = node.integer("opset") < 13;
  const int axis = node.axis(node.integer("axis", -1), rank);
  Softmax op;
  for (int a = axis; a < (flattened ? rank : axis + 1); ++a) op.axes.push_back(a);
  import_unary_between(node, std::move(op));
}

/// Output scale and zero point first, then each input with its own.
void import_qlinear_concat(Node& node) {
  node.require(node.input_count() >= 5 && node.input_count() % 3 == 2,
               "it has {} inputs, but takes 2 and then 3 a tensor", node.input_count());
  std::vector<TensorId> parts;
  for (int i = 2; i < node.input_count(); i += 3) {
    parts.push_back(dequantized(node, i, {i + 1, i + 2}, "dequantize"));
  }
  const Concatenation op{node.axis(node.integer("axis"), node.rank(2))};
  node.output(quantized(node, node.add(op, parts), {0, 1}, node.type(2), "quantize"));
}

}  // namespace octile
