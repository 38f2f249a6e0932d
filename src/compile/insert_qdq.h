// INT8 above the watershed: Quantize / Dequantize layers around int8 groups.
#pragma once

#include <vector>

#include "compile/assign_precision.h"

namespace octile {

/// Inserts Quantize → Dequantize on every tensor that an int8 group reads (once a tensor, however
/// many read it) and on the weights of int8 groups (per output channel). Groups stay valid. Where
/// an int8 group made the tensor, its float readers read the dequantized copy too: the tensor
/// exists once. A network output exists in float, which its float readers read as well.
/// Style kOnnxRuntime: also behind int8 groups whose output has a range, network outputs included
/// (but for products, which ONNX Runtime ends in float itself), and before a clamp that the
/// Quantize behind it does not do anyway; and biases of convolutions and matrix products are int32.
/// REQUIRES then: no group holds a residual add.
void insert_qdq(Network& network, const std::vector<Group>& groups,
                const std::vector<GroupLabel>& labels, const TensorRanges& ranges,
                QdqStyle style = QdqStyle::kTensorRt);

/// Padding between Dequantize and Quantize on one grid pads the integers instead, with their zero
/// point: the same values, and ONNX Runtime fuses no Pad. Groups that hold such layers are void.
void pad_integers(Network& network);

}  // namespace octile
