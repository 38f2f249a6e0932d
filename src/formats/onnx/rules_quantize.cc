// QuantizeLinear and DequantizeLinear: Octile's own layers (quantized.h).
#include "formats/onnx/quantized.h"
#include "formats/onnx/rules.h"

namespace octile {
namespace {

GridInputs read_grid(Node& node) {
  node.attribute("saturate");
  if (node.integer("block_size", 0) != 0) node.unsupported("it quantizes in blocks");
  return {.scale = 1, .zero_point = 2, .axis = node.integer("axis", 1)};
}

}  // namespace

void import_quantize_linear(Node& node) {
  const DataType type = node.type_attribute("output_dtype", DataType::kUInt8);
  node.output(quantized(node, node.in(0), read_grid(node), type, ""));
}

void import_dequantize_linear(Node& node) {
  node.attribute("output_dtype");
  node.output(dequantized(node, 0, read_grid(node), ""));
}

}  // namespace octile
