// QuantizeLinear and DequantizeLinear with constant scales, per tensor or along an axis. They stay
// layers even on constants: lowering reads the scales from them.
#include <limits>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// Scales and zero point as the two ops of the vocabulary take them.
struct Grid {
  std::vector<float> scale;
  int32_t zero_point = 0;
  int64_t axis = -1;
};

/// Octile has one zero point a tensor: those of several slices must agree (they are 0 in practice).
int32_t common_zero_point(Node& node, size_t scales) {
  if (!node.has(2)) return 0;
  const Tensor& tensor = node.constant(2, "zero point");
  node.require(tensor.type() != DataType::kFloat32 && tensor.type() != DataType::kBool,
               "its zero point is {}, which is no integer", name_of(tensor.type()));
  const Tensor wide = tensor.cast(DataType::kInt64);
  const auto points = wide.span<int64_t>();
  node.require(!points.empty() && (points.size() == scales || points.size() == 1),
               "it has {} scales, but {} zero points", scales, points.size());
  for (const int64_t point : points) {
    if (point != points[0]) {
      node.unsupported("its zero points differ from slice to slice ({} and {}); quantize the "
                       "slices symmetrically", points[0], point);
    }
    node.require(point >= INT32_MIN && point <= INT32_MAX, "its zero point {} is out of range",
                 point);
  }
  return static_cast<int32_t>(points[0]);
}

Grid read_grid(Node& node) {
  if (node.integer("block_size", 0) != 0) {
    node.unsupported("quantization in blocks (block_size) is not supported; quantize per tensor "
                     "or per axis");
  }
  Grid grid;
  grid.scale = node.numbers(1, "scale");
  node.require(!grid.scale.empty(), "it has no scale");
  for (const float s : grid.scale) {
    node.require(s > 0.0f && s < std::numeric_limits<float>::infinity(),
                 "its scale {} must be positive and finite", s);
  }
  grid.zero_point = common_zero_point(node, grid.scale.size());
  const int64_t axis = node.integer("axis", 1);
  if (grid.scale.size() == 1) return grid;
  node.require(node.shape(1).rank() == 1, "its scales must be a list, not {}",
               node.shape(1).to_string());
  grid.axis = node.axis(axis, node.rank(0));
  const int64_t slices = node.shape(0)[static_cast<int>(grid.axis)];
  node.require(slices == kDynamic || slices == static_cast<int64_t>(grid.scale.size()),
               "it has {} scales, but axis {} of {} has {} slices", grid.scale.size(), grid.axis,
               node.shape(0).to_string(), slices);
  return grid;
}

/// The integer type a QuantizeLinear makes: its zero point's, else output_dtype, else uint8.
DataType quantized_type(Node& node) {
  const int64_t wanted = node.integer("output_dtype", 0);
  if (node.has(2)) return node.type(2);
  if (wanted == 0) return DataType::kUInt8;
  if (wanted == onnx::TensorProto::UINT8) return DataType::kUInt8;
  if (wanted == onnx::TensorProto::INT8) return DataType::kInt8;
  node.unsupported("it quantizes to ONNX type {}; Octile has int8 and uint8", wanted);
}

}  // namespace

void import_quantize_linear(Node& node) {
  const DataType type = quantized_type(node);
  node.integer("saturate", 1);   // of 8-bit floats only
  node.integer("precision", 0);  // Octile divides in float32
  if (type != DataType::kInt8 && type != DataType::kUInt8) {
    node.unsupported("it quantizes to {}; Octile has int8 and uint8", name_of(type));
  }
  Grid grid = read_grid(node);
  Quantize op;
  op.type = type;
  op.lo = type == DataType::kInt8 ? -128 : 0;
  op.hi = type == DataType::kInt8 ? 127 : 255;
  node.require(grid.zero_point >= op.lo && grid.zero_point <= op.hi,
               "its zero point {} is out of range", grid.zero_point);
  op.scale = std::move(grid.scale);
  op.zero_point = grid.zero_point;
  op.axis = grid.axis;
  node.output(node.add(op, {node.cast(node.in(0), DataType::kFloat32)}));
}

void import_dequantize_linear(Node& node) {
  const DataType type = node.type(0);
  if (type != DataType::kInt8 && type != DataType::kUInt8 && type != DataType::kInt32) {
    node.unsupported("it dequantizes {}; Octile has int8, uint8 and int32", name_of(type));
  }
  node.require(!node.has(2) || node.type(2) == type, "its zero point is {}, but its input is {}",
               node.has(2) ? name_of(node.type(2)) : "", name_of(type));
  node.integer("output_dtype", 0);  // a float type: all are float32 here
  Grid grid = read_grid(node);
  Dequantize op;
  op.scale = std::move(grid.scale);
  op.zero_point = grid.zero_point;
  op.axis = grid.axis;
  node.output(node.add(op, {node.in(0)}));
}

}  // namespace octile
