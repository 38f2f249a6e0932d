// QuantizeLinear and DequantizeLinear with constant scales and one zero point: Octile's own layers.
// With computed parameters, or zero points that differ from slice to slice, they are arithmetic.
#include <algorithm>

#include "formats/onnx/rules.h"
#include "formats/onnx/tensor_proto.h"

namespace octile {
namespace {

struct Parameters {
  std::vector<float> scale;
  int32_t zero_point = 0;
  int64_t axis = -1;
  DataType type = DataType::kUInt8;  // of the zero point
};

bool is_computed(Node& node, int index) {
  const Value& value = node.value(index);
  return node.known(index) == nullptr && value.tensor &&
         node.network().producer(*value.tensor).valid();
}

/// False: the parameters do not fit a Quantize or Dequantize layer. (A graph input that carries
/// one is refused later, by name.)
bool fits_layer(Node& node) {
  if (is_computed(node, 1) || (node.has(2) && is_computed(node, 2))) return false;
  if (!node.has(2)) return true;
  const Tensor wide = node.constant(2, "zero point").cast(DataType::kInt32);
  const auto points = wide.span<int32_t>();
  return std::all_of(points.begin(), points.end(), [&](int32_t p) { return p == points[0]; });
}

/// Scale or zero point so that it broadcasts along attribute `axis`, in a type.
TensorId parameter(Node& node, int index, DataType type) {
  const Shape shape = node.shape(index), x = node.shape(0);
  node.require(shape.rank() <= 1, "input {} has shape {}", index, shape.to_string());
  const int64_t given = node.integer("axis", 1);
  const TensorId value = node.cast(node.in(index), type);
  if (shape.rank() == 0 || x.rank() == 0) return value;
  Shuffle op;
  op.has_reshape = true;
  op.dims.assign(static_cast<size_t>(x.rank()), 1);
  if (shape[0] != 1) op.dims[static_cast<size_t>(node.axis(given, x.rank()))] = -1;
  return node.add(std::move(op), {value});
}

void refuse_blocks(Node& node) {
  node.attribute("saturate");
  if (node.integer("block_size", 0) != 0) node.unsupported("it quantizes in blocks");
}

/// saturate(round(x / scale) + zero point).
TensorId quantized_by_layers(Node& node, DataType type) {
  refuse_blocks(node);
  const bool is_signed = type == DataType::kInt8;
  TensorId q =
      node.elementwise(ElementwiseKind::kDiv, node.in(0), parameter(node, 1, DataType::kFloat32));
  q = node.unary(UnaryKind::kRound, q);
  if (node.has(2)) {
    q = node.elementwise(ElementwiseKind::kAdd, q, parameter(node, 2, DataType::kFloat32));
  }
  const Activation clip{ActivationKind::kClip, is_signed ? -128.0f : 0.0f,
                        is_signed ? 127.0f : 255.0f};
  return node.cast(node.add(clip, {q}), type);
}

/// scale · (q − zero point), the difference in int32.
TensorId dequantized_by_layers(Node& node) {
  refuse_blocks(node);
  TensorId x = node.cast(node.in(0), DataType::kInt32);
  if (node.has(2)) {
    x = node.elementwise(ElementwiseKind::kSub, x, parameter(node, 2, DataType::kInt32));
  }
  return node.elementwise(ElementwiseKind::kMul, node.cast(x, DataType::kFloat32),
                          parameter(node, 1, DataType::kFloat32));
}

Parameters read_parameters(Node& node) {
  Parameters p;
  const Tensor& scale = node.constant(1, "scale");
  const int64_t axis = node.integer("axis", 1);
  refuse_blocks(node);
  node.require(scale.shape().rank() <= 1, "its scale has shape {}", scale.shape().to_string());
  p.scale = node.numbers(1, "scale");
  if (scale.volume() != 1) p.axis = node.axis(axis, node.rank(0));
  if (node.has(2)) {
    p.type = node.type(2);
    const Tensor wide = node.constant(2, "zero point").cast(DataType::kInt32);
    node.require(wide.volume() > 0, "its zero point is empty");
    p.zero_point = wide.as<int32_t>()[0];
  }
  return p;
}

}  // namespace

void import_quantize_linear(Node& node) {
  DataType type = node.type_attribute("output_dtype", DataType::kUInt8);
  if (node.has(2)) type = node.type(2);
  if (type != DataType::kInt8 && type != DataType::kUInt8) {
    node.unsupported("it quantizes to {}; Octile knows int8 and uint8", name_of(type));
  }
  if (!fits_layer(node)) return node.output(quantized_by_layers(node, type));
  const Parameters p = read_parameters(node);
  const bool is_signed = type == DataType::kInt8;
  node.output(node.add(Quantize{.type = type,
                                .scale = p.scale,
                                .zero_point = p.zero_point,
                                .axis = p.axis,
                                .lo = is_signed ? -128 : 0,
                                .hi = is_signed ? 127 : 255},
                       {node.in(0)}));
}

void import_dequantize_linear(Node& node) {
  node.attribute("output_dtype");
  if (!fits_layer(node)) return node.output(dequantized_by_layers(node));
  const Parameters p = read_parameters(node);
  node.require(!node.has(2) || p.type == node.type(0), "its input is {} but its zero point {}",
               name_of(node.type(0)), name_of(p.type));
  node.output(node.add(Dequantize{.scale = p.scale, .zero_point = p.zero_point, .axis = p.axis},
                       {node.in(0)}));
}

}  // namespace octile
