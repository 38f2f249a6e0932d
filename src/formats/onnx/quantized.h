// Quantized tensors of ONNX nodes as layers: INT8 in a network exists only as Quantize and
// Dequantize layers around float ones, whatever operator it came from.
#pragma once

#include <limits>
#include <string_view>

#include "formats/onnx/node.h"

namespace octile {

inline constexpr int kNoInput = std::numeric_limits<int>::max();

/// Where a node says how one of its tensors is quantized: inputs that hold scale and zero point
/// (which may be left out), and the axis that lists of them go along.
struct GridInputs {
  int scale = kNoInput, zero_point = kNoInput;
  int64_t axis = -1;
};

/// scale · (q − zero point) of input `x`: one Dequantize layer where scale and zero point are
/// constants, else arithmetic. Named "<node>.<suffix>", or like the node when `suffix` is empty.
TensorId dequantized(Node& node, int x, const GridInputs& grid, std::string_view suffix);

/// saturate(round(x / scale) + zero point), in the zero point's type, or `otherwise` without one.
TensorId quantized(Node& node, TensorId x, const GridInputs& grid, DataType otherwise,
                   std::string_view suffix);

/// An int32 bias in units of factor · scale of x · scale of the weights, as float; lists of scales
/// go along its last axis.
TensorId dequantized_bias(Node& node, int bias, int x_scale, int w_scale, float factor = 1.0f);

/// One constant number, which quantized models store behind a DequantizeLinear (Pad's value).
float number_input(Node& node, int index, std::string_view what);

/// Parameter input `index` in a type, shaped so that a list broadcasts along `axis` of `rank`.
TensorId broadcast_parameter(Node& node, int index, DataType type, int64_t axis, int rank);

}  // namespace octile
