// Operators whose indices are data: GatherElements, GatherND, ScatterElements (Scatter), ScatterND,
// MaxUnpool.
#include <algorithm>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

ScatterReduction reduction_of(Node& node) {
  const std::string name = node.text("reduction", "none");
  if (name == "add") return ScatterReduction::kAdd;
  if (name == "mul") return ScatterReduction::kMul;
  if (name == "min") return ScatterReduction::kMin;
  if (name == "max") return ScatterReduction::kMax;
  node.require(name == "none", "attribute 'reduction' is '{}'; ONNX knows none, add, mul, min, max",
               name);
  return ScatterReduction::kNone;
}

/// The spatial extent whose pooling gave `in`, at the least.
int64_t unpooled_extent(Node& node, size_t axis, int64_t in) {
  const auto entry = [&](std::string_view name, size_t index, int64_t otherwise) {
    const std::vector<int64_t> list = node.integers(name);
    const int64_t value = index < list.size() ? list[index] : otherwise;
    node.require(value >= 0 && value <= kMostMadeElements, "attribute '{}' has the entry {}", name,
                 value);
    return value;
  };
  const size_t spatial = node.integers("kernel_shape").size();
  const int64_t extent = (in - 1) * entry("strides", axis, 1) + entry("kernel_shape", axis, 1) -
                         entry("pads", axis, 0) - entry("pads", axis + spatial, 0);
  node.require(extent > 0 && extent <= kMostMadeElements, "spatial axis {} would have {} elements",
               axis, extent);
  return extent;
}

/// Zeros behind the image, up to the shape that the node asks for.
TensorId grown(Node& node, TensorId y, const Shape& from, const std::vector<int64_t>& to) {
  node.require(static_cast<int>(to.size()) == from.rank(), "its output_shape has {} entries for {}",
               to.size(), from.to_string());
  Padding op;
  for (int axis = 0; axis < from.rank(); ++axis) {
    const int64_t wanted = to[static_cast<size_t>(axis)];
    node.require(wanted >= from[axis] && wanted <= kMostMadeElements,
                 "its output_shape has {} on axis {} where the window gives {}", wanted, axis,
                 from[axis]);
    op.before.push_back(0);
    op.after.push_back(wanted - from[axis]);
  }
  const bool grows =
      std::any_of(op.after.begin(), op.after.end(), [](int64_t n) { return n != 0; });
  return grows ? node.add(std::move(op), {y}) : y;
}

}  // namespace

void import_gather_elements(Node& node) {
  const int axis = node.axis(node.integer("axis", 0), node.rank(0));
  node.output(node.add(GatherElements{axis}, {node.in(0), node.in(1)}));
}

void import_gather_nd(Node& node) {
  node.output(node.add(GatherNd{node.integer("batch_dims", 0)}, {node.in(0), node.in(1)}));
}

void import_scatter_elements(Node& node) {
  const int axis = node.axis(node.integer("axis", 0), node.rank(0));
  node.output(
      node.add(ScatterElements{axis, reduction_of(node)}, {node.in(0), node.in(1), node.in(2)}));
}

void import_scatter_nd(Node& node) {
  node.output(node.add(ScatterNd{reduction_of(node)}, {node.in(0), node.in(1), node.in(2)}));
}

/// x's elements scattered over as many zeros as the window spans: the indices count in that image,
/// over all of its axes. A larger output_shape adds zeros behind.
void import_max_unpool(Node& node) {
  const Shape x = node.shape(0);
  node.require(x.rank() >= 3 && x == node.shape(1), "its input {} and indices {} do not fit",
               x.to_string(), node.shape(1).to_string());
  if (!x.is_static()) node.unsupported("its input {} must have a fixed shape", x.to_string());
  node.require(static_cast<int>(node.integers("kernel_shape").size()) == x.rank() - 2,
               "attribute 'kernel_shape' does not fit the input {}", x.to_string());
  Shape y{x[0], x[1]};
  for (int axis = 2; axis < x.rank(); ++axis) {
    y.push_back(unpooled_extent(node, static_cast<size_t>(axis - 2), x[axis]));
  }
  int64_t volume = 1;
  for (const int64_t extent : y) {
    node.require(extent <= kMostMadeElements / volume, "its result {} is too large", y.to_string());
    volume *= extent;
  }
  const TensorId zeros = node.add_constant(Tensor(node.type(0), Shape{volume}), "zeros");
  const TensorId image = node.add(
      ScatterElements{}, {zeros, node.reshape(node.in(1), {-1}), node.reshape(node.in(0), {-1})});
  const TensorId shaped = node.reshape(image, y.to_vector());
  node.output(node.has(2) ? grown(node, shaped, y, node.integers(2, "output_shape")) : shaped);
}

}  // namespace octile
