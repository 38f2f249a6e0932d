// Operators whose result's extents depend on values: NonZero, Unique, NonMaxSuppression.
#include <algorithm>

#include "formats/onnx/rules.h"
#include "ops/ops.h"

namespace octile {

/// Constants are looked at as soon as the layer is added, since its extents hang on their values.
static LayerId add_looking(Node& node, const Op& op, const std::vector<TensorId>& inputs) {
  std::vector<Shape> shapes;
  for (const TensorId t : inputs) {
    if (node.network().constant_value(t) == nullptr) return node.add_layer(op, inputs);
    shapes.push_back(node.network().shape(t));
  }
  node.state().spend_work(evaluation_work(op, shapes, {}));
  return node.add_layer(op, inputs);
}

void import_non_zero(Node& node) { node.output(node.add(NonZero{}, {node.in(0)})); }

void import_unique(Node& node) {
  Unique op;
  op.flat = !node.has_attribute("axis");
  if (!op.flat) op.axis = node.axis(node.integer("axis"), node.rank(0));
  op.sorted = node.integer("sorted", 1) != 0;
  const LayerId layer = add_looking(node, op, {node.in(0)});
  for (int i = 0; i < 4; ++i) node.output(i, node.network().output(layer, i));
}

/// Its limits must be constants.
void import_non_max_suppression(Node& node) {
  NonMaxSuppression op;
  if (node.has(2)) {
    op.max_output = std::max<int64_t>(0, node.integer_input(2, "max_output_boxes_per_class"));
  }
  if (node.has(3)) op.iou_threshold = node.number_input(3, "iou_threshold");
  if (node.has(4)) op.score_threshold = node.number_input(4, "score_threshold");
  op.center_point = node.integer("center_point_box", 0) != 0;
  node.output(node.network().output(add_looking(node, op, {node.in(0), node.in(1)})));
}

}  // namespace octile
