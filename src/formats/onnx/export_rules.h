// One export rule an op: the ONNX nodes that mean what the layer means. An op without a rule here
// cannot be exported; export.cc says so by name. A rule that has no form for some attributes calls
// refuse().
#pragma once

#include "formats/onnx/export_writer.h"

namespace octile {

// export_window.cc
void write_layer(LayerWriter& writer, const Convolution& op);
void write_layer(LayerWriter& writer, const Deconvolution& op);
void write_layer(LayerWriter& writer, const Pooling& op);
void write_layer(LayerWriter& writer, const PoolingIndices& op);
// export_product.cc
void write_layer(LayerWriter& writer, const MatrixMultiply& op);
void write_layer(LayerWriter& writer, const Scale& op);
// export_pointwise.cc
void write_layer(LayerWriter& writer, const Activation& op);
void write_layer(LayerWriter& writer, const Elementwise& op);
void write_layer(LayerWriter& writer, const Unary& op);
void write_layer(LayerWriter& writer, const Select& op);
void write_layer(LayerWriter& writer, const Cast& op);
void write_layer(LayerWriter& writer, const Identity& op);
// export_movement.cc
void write_layer(LayerWriter& writer, const Shuffle& op);
void write_layer(LayerWriter& writer, const Concatenation& op);
void write_layer(LayerWriter& writer, const Slice& op);
void write_layer(LayerWriter& writer, const Padding& op);
void write_layer(LayerWriter& writer, const Gather& op);
void write_layer(LayerWriter& writer, const GatherElements& op);
void write_layer(LayerWriter& writer, const GatherNd& op);
void write_layer(LayerWriter& writer, const ScatterElements& op);
void write_layer(LayerWriter& writer, const ScatterNd& op);
// export_reduce.cc
void write_layer(LayerWriter& writer, const Reduce& op);
void write_layer(LayerWriter& writer, const Softmax& op);
void write_layer(LayerWriter& writer, const TopK& op);
void write_layer(LayerWriter& writer, const CumulativeSum& op);
void write_layer(LayerWriter& writer, const Determinant& op);
// export_sample.cc
void write_layer(LayerWriter& writer, const Resize& op);
void write_layer(LayerWriter& writer, const GridSample& op);
void write_layer(LayerWriter& writer, const RoiAlign& op);
// export_sequence.cc
void write_layer(LayerWriter& writer, const Recurrent& op);
void write_layer(LayerWriter& writer, const Fourier& op);
// export_values.cc
void write_layer(LayerWriter& writer, const NonZero& op);
void write_layer(LayerWriter& writer, const Compress& op);
void write_layer(LayerWriter& writer, const Unique& op);
void write_layer(LayerWriter& writer, const NonMaxSuppression& op);
void write_layer(LayerWriter& writer, const ShapeOf& op);
void write_layer(LayerWriter& writer, const Counting& op);
void write_layer(LayerWriter& writer, const Expand& op);
void write_layer(LayerWriter& writer, const ReshapeTo& op);
void write_layer(LayerWriter& writer, const SliceBetween& op);
void write_layer(LayerWriter& writer, const TopKOf& op);
// export_quantize.cc
void write_layer(LayerWriter& writer, const Quantize& op);
void write_layer(LayerWriter& writer, const Dequantize& op);

/// True where Resize is not what it was before operator set 18.
bool needs_new_resize(const Resize& op);
/// The oldest operator set, of those that Octile writes, in which the layer has a form.
int64_t needed_opset(const Network& network, LayerId layer);

}  // namespace octile
