// Export of what moves and picks values.
#include <limits>
#include <numeric>

#include "formats/onnx/export_rules.h"

namespace octile {
namespace {

const char* name_of_reduction(ScatterReduction reduction) {
  switch (reduction) {
    case ScatterReduction::kNone: return "none";
    case ScatterReduction::kAdd: return "add";
    case ScatterReduction::kMul: return "mul";
    case ScatterReduction::kMin: return "min";
    case ScatterReduction::kMax: return "max";
  }
  return "none";
}

/// Where ONNX's Slice ends, which clamps what lies beyond the axis.
int64_t end_of(int64_t start, int64_t size, int64_t stride) {
  constexpr int64_t kToTheEnd = std::numeric_limits<int64_t>::max();
  if (size < 0) return stride > 0 ? kToTheEnd : -kToTheEnd;
  const int64_t end = start + size * stride;
  if (start < 0 && stride > 0 && end >= 0) return kToTheEnd;  // counted from the end
  if (start >= 0 && stride < 0 && end < 0) return -kToTheEnd;
  return end;
}

}  // namespace

/// Up to three nodes; the last carries the layer's name.
void write_layer(LayerWriter& writer, const Shuffle& op) {
  const bool first = !op.first.empty(), second = !op.second.empty();
  std::string x = writer.in(0);
  const auto place = [&](const char* type, Names in, bool last,
                         const char* suffix) -> onnx::NodeProto& {
    return last ? writer.node(type, in, {writer.out()}) : writer.beside(type, in, suffix);
  };
  if (first) {
    onnx::NodeProto& node = place("Transpose", {x}, !op.has_reshape && !second, "first");
    set(node, "perm", op.first);
    x = node.output(0);
  }
  if (op.has_reshape) {
    const Names in{x, writer.integers(op.dims, "shape")};
    onnx::NodeProto& node = place("Reshape", in, !second, "reshape");
    if (!op.zero_is_placeholder) set(node, "allowzero", int64_t{1});
    x = node.output(0);
  }
  if (second) {
    set(place("Transpose", {x}, true, ""), "perm", op.second);
  } else if (!first && !op.has_reshape) {
    writer.node("Identity");
  }
}

void write_layer(LayerWriter& writer, const Concatenation& op) {
  set(writer.node("Concat"), "axis", op.axis);
}

void write_layer(LayerWriter& writer, const Slice& op) {
  std::vector<int64_t> axes = op.axes, ends, steps = op.stride;
  if (axes.empty()) {
    axes.resize(op.start.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  steps.resize(op.start.size(), 1);
  for (size_t i = 0; i < op.start.size(); ++i) {
    ends.push_back(end_of(op.start[i], op.size.empty() ? -1 : op.size[i], steps[i]));
  }
  writer.node("Slice",
              {writer.in(0), writer.integers(op.start, "starts"), writer.integers(ends, "ends"),
               writer.integers(axes, "axes"), writer.integers(steps, "steps")},
              {writer.out()});
}

void write_layer(LayerWriter& writer, const Padding& op) {
  std::vector<int64_t> pads = op.before;
  pads.insert(pads.end(), op.after.begin(), op.after.end());
  Names in{writer.in(0), writer.integers(pads, "pads")};
  const bool constant = op.kind == PaddingKind::kConstant;
  if (constant)
    in.push_back(writer.parameter(Tensor::scalar(op.value).cast(writer.type(0)), "value"));
  onnx::NodeProto& node = writer.node("Pad", in, {writer.out()});
  set(node, "mode", constant ? "constant" : op.kind == PaddingKind::kReflect ? "reflect" : "edge");
}

void write_layer(LayerWriter& writer, const Gather& op) {
  set(writer.node("Gather"), "axis", op.axis);
}

void write_layer(LayerWriter& writer, const GatherElements& op) {
  set(writer.node("GatherElements"), "axis", op.axis);
}

void write_layer(LayerWriter& writer, const GatherNd& op) {
  onnx::NodeProto& node =
      writer.node("GatherND", {writer.in(0), writer.in_as_int64(1)}, {writer.out()});
  set(node, "batch_dims", op.batch_dims);
}

void write_layer(LayerWriter& writer, const ScatterElements& op) {
  onnx::NodeProto& node = writer.node("ScatterElements");
  set(node, "axis", op.axis);
  set(node, "reduction", name_of_reduction(op.reduction));
}

void write_layer(LayerWriter& writer, const ScatterNd& op) {
  onnx::NodeProto& node =
      writer.node("ScatterND", {writer.in(0), writer.in_as_int64(1), writer.in(2)}, {writer.out()});
  set(node, "reduction", name_of_reduction(op.reduction));
}

}  // namespace octile
