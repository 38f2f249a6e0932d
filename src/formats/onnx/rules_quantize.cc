// QuantizeLinear and DequantizeLinear with constant scale and zero point: Octile's own layers.
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

/// One zero point, or a list of equal ones.
int32_t zero_point_of(Node& node) {
  const Tensor wide = node.constant(2, "zero point").cast(DataType::kInt32);
  node.require(wide.volume() > 0, "its zero point is empty");
  const int32_t first = wide.as<int32_t>()[0];
  for (int64_t i = 1; i < wide.volume(); ++i) {
    if (wide.as<int32_t>()[i] != first) {
      node.unsupported("its zero points differ from slice to slice; Octile knows one a tensor");
    }
  }
  return first;
}

Parameters read_parameters(Node& node) {
  Parameters p;
  const Tensor& scale = node.constant(1, "scale");
  const int64_t axis = node.integer("axis", 1);
  node.attribute("saturate");
  if (node.integer("block_size", 0) != 0) node.unsupported("it quantizes in blocks");
  node.require(scale.shape().rank() <= 1, "its scale has shape {}", scale.shape().to_string());
  p.scale = node.numbers(1, "scale");
  if (scale.volume() != 1) p.axis = node.axis(axis, node.rank(0));
  if (node.has(2)) {
    p.type = node.type(2);
    p.zero_point = zero_point_of(node);
  }
  return p;
}

}  // namespace

void import_quantize_linear(Node& node) {
  const Parameters p = read_parameters(node);
  const int64_t to = node.integer("output_dtype", 0);
  DataType type = p.type;
  if (to != 0 && !node.has(2)) {
    type = network_type(static_cast<int>(std::clamp<int64_t>(to, 0, 1000)))
               .value_or(DataType::kFloat32);
  }
  if (type != DataType::kInt8 && type != DataType::kUInt8) {
    node.unsupported("it quantizes to {}; Octile knows int8 and uint8", name_of(type));
  }
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
  const Parameters p = read_parameters(node);
  node.attribute("output_dtype");
  node.require(!node.has(2) || p.type == node.type(0), "its input is {} but its zero point {}",
               name_of(node.type(0)), name_of(p.type));
  node.output(node.add(Dequantize{.scale = p.scale, .zero_point = p.zero_point, .axis = p.axis},
                       {node.in(0)}));
}

}  // namespace octile
