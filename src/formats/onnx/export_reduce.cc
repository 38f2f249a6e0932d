// Export of reductions, softmax, TopK and what else runs along an axis.
#include "formats/onnx/export_rules.h"

namespace octile {
namespace {

const char* type_of(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::kSum: return "ReduceSum";
    case ReduceKind::kProd: return "ReduceProd";
    case ReduceKind::kMax: return "ReduceMax";
    case ReduceKind::kMin: return "ReduceMin";
    case ReduceKind::kMean: return "ReduceMean";
  }
  return "";
}

/// Axes are an input of ReduceSum, and since operator set 18 of all reductions.
bool axes_are_input(const LayerWriter& writer, ReduceKind kind) {
  return kind == ReduceKind::kSum || writer.opset() >= 18;
}

Names reduction_inputs(LayerWriter& writer, const std::string& x, const Reduce& op,
                       const std::string& suffix) {
  const bool listed = axes_are_input(writer, op.kind) && !op.axes.empty();
  return listed ? Names{x, writer.integers(op.axes, suffix)} : Names{x};
}

void set_reduction(onnx::NodeProto& node, const LayerWriter& writer, const Reduce& op) {
  set(node, "keepdims", int64_t{op.keep_dims});
  if (!axes_are_input(writer, op.kind) && !op.axes.empty()) set(node, "axes", op.axes);
}

std::string reduced(LayerWriter& writer, const std::string& x, const Reduce& op,
                    const std::string& suffix) {
  onnx::NodeProto& node =
      writer.beside(type_of(op.kind), reduction_inputs(writer, x, op, suffix + ".axes"), suffix);
  set_reduction(node, writer, op);
  return LayerWriter::result(node);
}

/// ONNX's indices are int64, the layer's int32.
void write_top_k(LayerWriter& writer, const std::string& k, int64_t axis, bool largest) {
  onnx::NodeProto& node =
      writer.node("TopK", {writer.in(0), k}, {writer.out(0), writer.out(1) + ".int64"});
  set(node, "axis", axis);
  set(node, "largest", int64_t{largest});
  const std::string indices = node.output(1);
  onnx::NodeProto& cast = writer.beside("Cast", {indices}, "indices");
  set(cast, "to", int64_t{onnx::TensorProto::INT32});
  cast.set_output(0, writer.out(1));
}

}  // namespace

void write_layer(LayerWriter& writer, const Reduce& op) {
  onnx::NodeProto& node = writer.node(
      type_of(op.kind), reduction_inputs(writer, writer.in(0), op, "axes"), {writer.out()});
  set_reduction(node, writer, op);
}

/// ONNX's Softmax normalizes over one axis; over several it is spelt out.
void write_layer(LayerWriter& writer, const Softmax& op) {
  if (op.axes.size() == 1) {
    set(writer.node("Softmax"), "axis", op.axes[0]);
    return;
  }
  const std::string x = writer.in(0);
  const std::string most = reduced(writer, x, {ReduceKind::kMax, op.axes, true}, "maximum");
  const std::string shifted = LayerWriter::result(writer.beside("Sub", {x, most}, "shifted"));
  const std::string power = LayerWriter::result(writer.beside("Exp", {shifted}, "power"));
  const std::string sum = reduced(writer, power, {ReduceKind::kSum, op.axes, true}, "sum");
  writer.node("Div", {power, sum}, {writer.out()});
}

/// ONNX's indices are int64.
void write_layer(LayerWriter& writer, const TopK& op) {
  write_top_k(writer, writer.integers({op.k}, "k"), op.axis, op.largest);
}

void write_layer(LayerWriter& writer, const TopKOf& op) {
  write_top_k(writer, writer.in(1), op.axis, op.largest);
}

void write_layer(LayerWriter& writer, const CumulativeSum& op) {
  const std::string axis = writer.parameter(Tensor::int64s({op.axis}).reshaped(Shape{}), "axis");
  onnx::NodeProto& node = writer.node("CumSum", {writer.in(0), axis}, {writer.out()});
  set(node, "exclusive", int64_t{op.exclusive});
  set(node, "reverse", int64_t{op.reverse});
}

void write_layer(LayerWriter& writer, const Determinant&) { writer.node("Det"); }

}  // namespace octile
