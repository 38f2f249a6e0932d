// Quantized convolutions and products: Dequantize, the float layer, Quantize. Lowering makes one
// int8 step of them again.
#include "formats/onnx/quantized.h"
#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// Both operands, dequantized: lists of scales go along a's rows and b's columns.
std::vector<TensorId> product_operands(Node& node, int b, GridInputs a_grid, GridInputs b_grid,
                                       const MatrixMultiply& op) {
  node.require(node.rank(0) >= 1 && node.rank(b) >= 1, "its operands must not be scalars");
  if (node.rank(0) > 1) a_grid.axis = op.transpose_a ? -1 : -2;
  if (node.rank(b) > 1) b_grid.axis = op.transpose_b ? -2 : -1;
  return {dequantized(node, 0, a_grid, "dequantize"),
          dequantized(node, b, b_grid, "weights.dequantize")};
}

/// Whether an addend of this shape can be the product's own bias.
bool is_bias(const Shape& addend, const Network& network, TensorId weights, bool transposed) {
  const Shape& b = network.shape(weights);
  return addend.rank() == 1 && b.rank() > 1 && addend[0] != kDynamic &&
         addend[0] == b[b.rank() - (transposed ? 2 : 1)];
}

/// The product of `operands`, plus a float addend where input `bias` is there.
TensorId biased_product(Node& node, std::vector<TensorId> operands, int bias) {
  if (!node.has(bias)) return node.add(MatrixMultiply{}, operands);
  const bool own = is_bias(node.shape(bias), node.network(), operands[1], false);
  if (own) operands.push_back(node.in(bias));
  const TensorId y = node.add(MatrixMultiply{}, operands);
  return own ? y : node.elementwise(ElementwiseKind::kAdd, y, node.in(bias));
}

/// x as a dynamic uint8 tensor: one range a tensor. Where the batch is 1, that is the range of the
/// one sample, which is what a dynamic Quantize layer takes.
TensorId dynamically_quantized(Node& node) {
  const Shape x = node.shape(0);
  if (x.rank() < 2 || x[0] != 1) {
    node.unsupported(
        "its input {} has a batch axis that is not fixed at 1, and Octile quantizes each sample by "
        "its own range; replace it by DynamicQuantizeLinear and MatMulInteger",
        x.to_string());
  }
  Quantize quantize{.type = DataType::kUInt8, .scale = {}, .lo = 0, .hi = 255, .dynamic = true};
  const TensorId q = node.add_beside(std::move(quantize), {node.in(0)}, "quantize");
  const LayerId layer = node.network().producer(q);
  return node.add_beside(Dequantize{.scale = {}, .dynamic = true},
                         {q, node.network().output(layer, 1), node.network().output(layer, 2)},
                         "dequantize");
}

}  // namespace

void import_qlinear_conv(Node& node) {
  node.require(node.integer("channels_last", 0) == 0, "Octile takes images as (N, C, …) only");
  Convolution op = read_convolution(node, 3);
  for (const int scale : {1, 6}) {
    const Shape shape = node.shape(scale);
    node.require(shape.is_static() && shape.volume() == 1,
                 "scales of input and output must be one number each");
  }
  std::vector<TensorId> inputs{dequantized(node, 0, {1, 2}, "dequantize"),
                               dequantized(node, 3, {4, 5, 0}, "weights.dequantize")};
  if (node.has(8)) inputs.push_back(dequantized_bias(node, 8, 1, 4));
  const TensorId y = node.add(std::move(op), inputs);
  node.output(quantized(node, y, {6, 7}, node.type(0), "quantize"));
}

void import_qlinear_matmul(Node& node) {
  const TensorId y = node.add(MatrixMultiply{}, product_operands(node, 3, {1, 2}, {4, 5}, {}));
  const int64_t rows = node.network().shape(y).rank() > 1 ? -2 : -1;
  node.output(quantized(node, y, {6, 7, rows}, node.type(0), "quantize"));
}

void import_qgemm(Node& node) {
  const MatrixMultiply op{node.integer("transA", 0) != 0, node.integer("transB", 0) != 0};
  const float alpha = node.number("alpha", 1.0f);
  std::vector<TensorId> operands = product_operands(node, 3, {1, 2}, {4, 5}, op);
  const bool own = node.has(6) && alpha == 1.0f &&
                   is_bias(node.shape(6), node.network(), operands[1], op.transpose_b);
  if (own) operands.push_back(dequantized_bias(node, 6, 1, 4));
  TensorId y = node.add(op, operands);
  if (alpha != 1.0f) y = node.with_scalar(ElementwiseKind::kMul, y, double{alpha});
  if (node.has(6) && !own) {
    y = node.elementwise(ElementwiseKind::kAdd, y, dequantized_bias(node, 6, 1, 4, alpha));
  }
  if (!node.has(7)) return node.output(y);
  node.output(quantized(node, y, {7, 8}, node.type(0), "quantize"));
}

void import_matmul_integer_to_float(Node& node) {
  node.output(biased_product(node, product_operands(node, 1, {2, 4}, {3, 5}, {}), 6));
}

void import_dynamic_quantize_matmul(Node& node) {
  const TensorId a = dynamically_quantized(node);
  const TensorId b = dequantized(node, 1, {2, 3, -1}, "weights.dequantize");
  node.output(biased_product(node, {a, b}, 4));
}

}  // namespace octile
