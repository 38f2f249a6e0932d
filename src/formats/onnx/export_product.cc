// Export of matrix products and of Scale.
#include <algorithm>
#include <numeric>

#include "formats/onnx/export_rules.h"

namespace octile {
namespace {

/// Operand `index`, its last two axes swapped by a Transpose node where asked for.
std::string operand(LayerWriter& writer, size_t index, bool transposed) {
  const int rank = writer.shape(index).rank();
  if (!transposed || rank < 2) return writer.in(index);
  std::vector<int64_t> permutation(static_cast<size_t>(rank));
  std::iota(permutation.begin(), permutation.end(), 0);
  std::swap(permutation[static_cast<size_t>(rank - 1)], permutation[static_cast<size_t>(rank - 2)]);
  onnx::NodeProto& node =
      writer.beside("Transpose", {writer.in(index)}, fmt::format("operand_{}", index));
  set(node, "perm", permutation);
  return LayerWriter::result(node);
}

bool is_gemm(const LayerWriter& writer, const MatrixMultiply& op) {
  return writer.shape(0).rank() == 2 && writer.shape(1).rank() == 2 &&
         writer.type(0) == DataType::kFloat32 &&
         (writer.input_count() > 2 || op.transpose_a || op.transpose_b);
}

/// A parameter so shaped that it broadcasts against x: lists go along the op's axis.
std::string broadcast(LayerWriter& writer, const Scale& op, size_t index) {
  const Tensor* value = writer.network().constant_value(writer.input(index));
  const Shape& x = writer.shape(0);
  if (value == nullptr) writer.refuse("its parameters are no constants");
  const bool uniform = value->volume() == 1;
  const int axis = static_cast<int>(op.axis < 0 ? op.axis + x.rank() : op.axis);
  if (uniform || value->shape().rank() != 1 || axis + 1 == x.rank()) return writer.in(index);
  Shape shape{value->shape()[0]};
  while (shape.rank() < x.rank() - axis) shape.push_back(1);
  return writer.parameter(value->reshaped(shape), fmt::format("parameter_{}", index));
}

}  // namespace

void write_layer(LayerWriter& writer, const MatrixMultiply& op) {
  if (is_gemm(writer, op)) {
    onnx::NodeProto& node = writer.node("Gemm");
    if (op.transpose_a) set(node, "transA", int64_t{1});
    if (op.transpose_b) set(node, "transB", int64_t{1});
    return;
  }
  const Names operands{operand(writer, 0, op.transpose_a), operand(writer, 1, op.transpose_b)};
  if (writer.input_count() < 3) {
    writer.node("MatMul", operands, {writer.out()});
    return;
  }
  const std::string product = LayerWriter::result(writer.beside("MatMul", operands, "product"));
  writer.node("Add", {product, writer.in(2)}, {writer.out()});
}

/// (x · scale + shift)^power: one node a parameter.
void write_layer(LayerWriter& writer, const Scale& op) {
  Names types;
  if (op.has_scale) types.emplace_back("Mul");
  if (op.has_shift) types.emplace_back("Add");
  if (op.has_power) types.emplace_back("Pow");
  std::string x = writer.in(0);
  if (types.empty()) writer.node("Identity");
  for (size_t i = 0; i < types.size(); ++i) {
    const Names in{x, broadcast(writer, op, i + 1)};
    if (i + 1 == types.size()) {
      writer.node(types[i].c_str(), in, {writer.out()});
    } else {
      x = LayerWriter::result(writer.beside(types[i].c_str(), in, fmt::format("part_{}", i + 1)));
    }
  }
}

}  // namespace octile
