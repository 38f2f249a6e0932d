// See quantized.h. With computed parameters, or zero points that differ from slice to slice of what
// is no constant, quantization is arithmetic.
#include "formats/onnx/quantized.h"

#include <algorithm>

#include "formats/onnx/rules.h"
#include "ops/ops.h"

namespace octile {
namespace {

bool is_bytes(DataType type) { return type == DataType::kInt8 || type == DataType::kUInt8; }

bool is_computed(Node& node, int index) {
  const Value& value = node.value(index);
  return node.known(index) == nullptr && value.tensor &&
         node.network().producer(*value.tensor).valid();
}

/// False: the parameters do not fit a Quantize or Dequantize layer. (A graph input that carries
/// one is refused later, by name.)
bool are_constants(Node& node, const GridInputs& grid) {
  return !is_computed(node, grid.scale) &&
         !(node.has(grid.zero_point) && is_computed(node, grid.zero_point));
}

std::vector<int32_t> zero_points(Node& node, const GridInputs& grid) {
  if (!node.has(grid.zero_point)) return {0};
  const Tensor wide = node.constant(grid.zero_point, "zero point").cast(DataType::kInt32);
  node.require(wide.volume() > 0, "its zero point is empty");
  return {wide.as<int32_t>(), wide.as<int32_t>() + wide.volume()};
}

bool all_equal(const std::vector<int32_t>& points) {
  return std::all_of(points.begin(), points.end(), [&](int32_t p) { return p == points[0]; });
}

/// The scales, and the axis they go along (−1: one for all), checked against the zero points.
std::vector<float> scales(Node& node, const GridInputs& grid, int rank, int64_t& axis) {
  const Tensor& scale = node.constant(grid.scale, "scale");
  node.require(scale.shape().rank() <= 1, "its scale has shape {}", scale.shape().to_string());
  axis = scale.volume() == 1 ? -1 : node.axis(grid.axis, rank);
  if (node.has(grid.zero_point)) {
    const Tensor& points = node.constant(grid.zero_point, "zero point");
    node.require(points.volume() == 1 || points.volume() == scale.volume(),
                 "it has {} scales but {} zero points", scale.volume(), points.volume());
  }
  return node.numbers(grid.scale, "scale");
}

TensorId place(Node& node, Op op, TensorId x, std::string_view suffix) {
  return suffix.empty() ? node.add(std::move(op), {x})
                        : node.add_beside(std::move(op), {x}, suffix);
}

/// Integers minus the zero point of their slice, as an int32 constant.
Tensor centred(const Tensor& q, const std::vector<int32_t>& points, int64_t axis) {
  Tensor result = q.cast(DataType::kInt32);
  int64_t inner = 1;
  for (int a = static_cast<int>(axis) + 1; a < q.shape().rank(); ++a) inner *= q.shape()[a];
  const auto slices = static_cast<int64_t>(points.size());
  for (int64_t i = 0; i < result.volume(); ++i) {
    result.as<int32_t>()[i] -= points[static_cast<size_t>(i / inner % slices)];
  }
  return result;
}

TensorId quantized_by_layers(Node& node, TensorId x, const GridInputs& grid, DataType type) {
  const int rank = node.network().shape(x).rank();
  const bool is_signed = type == DataType::kInt8;
  const auto parameter = [&](int index) {
    return broadcast_parameter(node, index, DataType::kFloat32, grid.axis, rank);
  };
  TensorId q = node.elementwise(ElementwiseKind::kDiv, x, parameter(grid.scale));
  q = node.unary(UnaryKind::kRound, q);
  if (node.has(grid.zero_point)) {
    q = node.elementwise(ElementwiseKind::kAdd, q, parameter(grid.zero_point));
  }
  const Activation clip{ActivationKind::kClip, is_signed ? -128.0f : 0.0f,
                        is_signed ? 127.0f : 255.0f};
  return node.cast(node.add(clip, {q}), type);
}

/// The difference in int32.
TensorId dequantized_by_layers(Node& node, int x, const GridInputs& grid) {
  const int rank = node.rank(x);
  TensorId q = node.cast(node.in(x), DataType::kInt32);
  if (node.has(grid.zero_point)) {
    const TensorId points =
        broadcast_parameter(node, grid.zero_point, DataType::kInt32, grid.axis, rank);
    q = node.elementwise(ElementwiseKind::kSub, q, points);
  }
  return node.elementwise(
      ElementwiseKind::kMul, node.cast(q, DataType::kFloat32),
      broadcast_parameter(node, grid.scale, DataType::kFloat32, grid.axis, rank));
}

}  // namespace

TensorId broadcast_parameter(Node& node, int index, DataType type, int64_t axis, int rank) {
  const Shape shape = node.shape(index);
  node.require(shape.rank() <= 1, "input {} has shape {}", index, shape.to_string());
  const TensorId value = node.cast(node.in(index), type);
  if (shape.rank() == 0 || rank == 0) return value;
  Shuffle op;
  op.has_reshape = true;
  op.dims.assign(static_cast<size_t>(rank), 1);
  if (shape[0] != 1) op.dims[static_cast<size_t>(node.axis(axis, rank))] = -1;
  return node.add(std::move(op), {value});
}

TensorId dequantized(Node& node, int x, const GridInputs& grid, std::string_view suffix) {
  const DataType type = node.type(x);
  node.require(is_bytes(type) || type == DataType::kInt32, "input {} is {}, not a quantized tensor",
               x, name_of(type));
  node.require(!node.has(grid.zero_point) || node.type(grid.zero_point) == type,
               "its input is {} but its zero point {}", name_of(type),
               node.has(grid.zero_point) ? name_of(node.type(grid.zero_point)) : "");
  if (!are_constants(node, grid)) return dequantized_by_layers(node, x, grid);
  Dequantize op;
  op.scale = scales(node, grid, node.rank(x), op.axis);
  const std::vector<int32_t> points = zero_points(node, grid);
  if (all_equal(points)) {
    op.zero_point = points[0];
    return place(node, std::move(op), node.in(x), suffix);
  }
  const Tensor* q = node.known(x);  // weights: their zero points can go into them
  const bool fits = q != nullptr && is_bytes(type) && op.axis >= 0 &&
                    q->shape()[static_cast<int>(op.axis)] == static_cast<int64_t>(points.size());
  if (!fits) return dequantized_by_layers(node, x, grid);
  const TensorId wide = node.add_constant(centred(*q, points, op.axis), "centred");
  return place(node, std::move(op), wide, suffix);
}

TensorId quantized(Node& node, TensorId x, const GridInputs& grid, DataType otherwise,
                   std::string_view suffix) {
  const DataType type = node.has(grid.zero_point) ? node.type(grid.zero_point) : otherwise;
  if (!is_bytes(type)) {
    node.unsupported("it quantizes to {}; Octile knows int8 and uint8", name_of(type));
  }
  if (!are_constants(node, grid)) return quantized_by_layers(node, x, grid, type);
  const bool is_signed = type == DataType::kInt8;
  Quantize op{.type = type, .lo = is_signed ? -128 : 0, .hi = is_signed ? 127 : 255};
  op.scale = scales(node, grid, node.network().shape(x).rank(), op.axis);
  const std::vector<int32_t> points = zero_points(node, grid);
  if (!all_equal(points)) return quantized_by_layers(node, x, grid, type);
  op.zero_point = points[0];
  return place(node, std::move(op), x, suffix);
}

float number_input(Node& node, int index, std::string_view what) {
  const Value& value = node.value(index);
  const Network& network = node.network();
  const LayerId layer = value.tensor ? network.producer(*value.tensor) : LayerId{};
  const auto* op = layer.valid() ? std::get_if<Dequantize>(&network.op(layer)) : nullptr;
  const Tensor* q =
      op != nullptr && !op->dynamic ? network.constant_value(network.inputs(layer)[0]) : nullptr;
  if (q == nullptr) return node.number_input(index, what);
  const Tensor real = evaluate(*op, std::vector{q->view()})[0];
  node.require(real.volume() == 1, "its {} must be one number, not {}", what, real.volume());
  return real.as<float>()[0];
}

TensorId dequantized_bias(Node& node, int bias, int x_scale, int w_scale, float factor) {
  node.require(node.type(bias) == DataType::kInt32, "its bias is {}, but must be int32",
               name_of(node.type(bias)));
  if (is_computed(node, x_scale) || is_computed(node, w_scale)) {
    TensorId scale = node.elementwise(ElementwiseKind::kMul, node.in(x_scale), node.in(w_scale));
    if (factor != 1.0f) scale = node.with_scalar(ElementwiseKind::kMul, scale, double{factor});
    return node.elementwise(ElementwiseKind::kMul, node.cast(node.in(bias), DataType::kFloat32),
                            scale);
  }
  Dequantize op;
  const float x = node.number_input(x_scale, "input scale");
  for (const float w : node.numbers(w_scale, "weight scale")) {
    op.scale.push_back(static_cast<float>(double{x} * double{w} * double{factor}));
  }
  op.axis = op.scale.size() == 1 ? -1 : node.rank(bias) - 1;
  return node.add_beside(std::move(op), {node.in(bias)}, "bias.dequantize");
}

}  // namespace octile
