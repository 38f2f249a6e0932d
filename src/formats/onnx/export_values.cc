// Export of layers whose result's shape depends on values, and of those that read extents.
#include <limits>

#include "formats/onnx/export_rules.h"

namespace octile {
namespace {

Names all_outputs(const LayerWriter& writer) {
  Names names;
  for (const TensorId tensor : writer.network().outputs(writer.layer())) {
    names.push_back(writer.network().name(tensor));
  }
  return names;
}

/// Input `index`, which holds one element, without axes.
std::string scalar(LayerWriter& writer, size_t index, const std::string& suffix) {
  if (writer.shape(index).rank() == 0) return writer.in(index);
  return LayerWriter::result(writer.beside("Squeeze", {writer.in(index)}, suffix));
}

}  // namespace

void write_layer(LayerWriter& writer, const NonZero&) { writer.node("NonZero"); }

void write_layer(LayerWriter& writer, const Compress& op) {
  onnx::NodeProto& node = writer.node("Compress");
  if (!op.flat) set(node, "axis", op.axis);
}

void write_layer(LayerWriter& writer, const Unique& op) {
  onnx::NodeProto& node = writer.node("Unique", writer.ins(), all_outputs(writer));
  if (!op.flat) set(node, "axis", op.axis);
  set(node, "sorted", int64_t{op.sorted});
}

/// Without a score threshold every box counts: ONNX says so by leaving the input out.
void write_layer(LayerWriter& writer, const NonMaxSuppression& op) {
  Names in = writer.ins();
  in.push_back(writer.integers({op.max_output}, "max_output"));
  in.push_back(writer.number(op.iou_threshold, "iou_threshold"));
  if (op.score_threshold != -std::numeric_limits<float>::infinity()) {
    in.push_back(writer.number(op.score_threshold, "score_threshold"));
  }
  onnx::NodeProto& node = writer.node("NonMaxSuppression", in, {writer.out()});
  set(node, "center_point_box", int64_t{op.center_point});
}

void write_layer(LayerWriter& writer, const ShapeOf&) { writer.node("Shape"); }

void write_layer(LayerWriter& writer, const Counting&) {
  const Names in{scalar(writer, 0, "start"), scalar(writer, 1, "limit"),
                 scalar(writer, 2, "delta")};
  writer.node("Range", in, {writer.out()});
}

void write_layer(LayerWriter& writer, const Expand&) { writer.node("Expand"); }

void write_layer(LayerWriter& writer, const ReshapeTo& op) {
  set(writer.node("Reshape"), "allowzero", int64_t{!op.zero_is_placeholder});
}

void write_layer(LayerWriter& writer, const SliceBetween& op) {
  Names in = writer.ins();
  in.push_back(writer.integers(op.axes, "axes"));
  in.push_back(writer.integers(op.stride, "steps"));
  writer.node("Slice", in, {writer.out()});
}

}  // namespace octile
