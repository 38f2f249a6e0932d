// Export of Quantize and Dequantize: QuantizeLinear and DequantizeLinear.
#include <cmath>
#include <limits>

#include "formats/onnx/export_rules.h"

namespace octile {
namespace {

struct Grid {
  const std::vector<float>& scale;
  int32_t zero_point;
  int64_t axis;
  DataType type;  // of the integers
};

/// True when the integers' type holds the zero point.
bool fits(int32_t zero_point, DataType type) {
  switch (type) {
    case DataType::kInt8: return zero_point >= -128 && zero_point <= 127;
    case DataType::kUInt8: return zero_point >= 0 && zero_point <= 255;
    default: return zero_point == 0;
  }
}

/// x, the scale and the zero point: scalars, or lists along the axis.
Names inputs_of(LayerWriter& writer, const Grid& grid) {
  if (!fits(grid.zero_point, grid.type)) {
    writer.refuse(fmt::format("its zero point {} is no {}", grid.zero_point, name_of(grid.type)));
  }
  const auto count = static_cast<int64_t>(grid.scale.size());
  const Shape shape = grid.axis < 0 ? Shape{} : Shape{count};
  Tensor zero_point(DataType::kInt32, shape);
  for (int64_t i = 0; i < count; ++i) zero_point.as<int32_t>()[i] = grid.zero_point;
  return {writer.in(0), writer.parameter(Tensor::floats(shape, grid.scale), "scale"),
          writer.parameter(zero_point.cast(grid.type), "zero_point")};
}

void set_axis(onnx::NodeProto& node, const Grid& grid) {
  if (grid.axis >= 0) set(node, "axis", grid.axis);
}

/// The values that the ends of a narrower range stand for; QuantizeLinear knows its type's alone.
std::string clipped(LayerWriter& writer, const Quantize& op, const std::string& x) {
  const auto end = [&](int32_t q) { return static_cast<float>(q - op.zero_point) * op.scale[0]; };
  return LayerWriter::result(writer.beside(
      "Clip", {x, writer.number(end(op.lo), "low"), writer.number(end(op.hi), "high")}, "clip"));
}

}  // namespace

void write_layer(LayerWriter& writer, const Quantize& op) {
  if (is_constant_quantize(writer.network(), writer.layer())) return;  // ModelWriter::use
  if (op.dynamic) writer.refuse("ONNX has no quantization with one scale a sample");
  if (op.type != DataType::kInt8 && op.type != DataType::kUInt8) {
    writer.refuse(fmt::format("it quantizes to {}, ONNX to 8-bit integers", name_of(op.type)));
  }
  const Grid grid{op.scale, op.zero_point, op.axis, op.type};
  Names in = inputs_of(writer, grid);
  const bool affine = op.type == DataType::kUInt8;
  const bool whole = op.lo <= (affine ? 0 : -128) && op.hi >= (affine ? 255 : 127);
  if (!whole) {
    if (op.scale.size() != 1) writer.refuse("it has a narrowed range and one scale a channel");
    in[0] = clipped(writer, op, in[0]);
  }
  set_axis(writer.node("QuantizeLinear", in, {writer.out()}), grid);
}

void write_layer(LayerWriter& writer, const Dequantize& op) {
  if (op.dynamic) writer.refuse("ONNX has no quantization with one scale a sample");
  const Grid grid{op.scale, op.zero_point, op.axis, writer.type(0)};
  Names in = inputs_of(writer, grid);
  if (grid.type == DataType::kInt32) in.pop_back();  // 0, and it may be left out
  set_axis(writer.node("DequantizeLinear", in, {writer.out()}), grid);
}

}  // namespace octile
