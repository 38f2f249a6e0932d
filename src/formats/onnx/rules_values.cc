// Operators whose result's extents depend on values: NonZero, Unique, NonMaxSuppression.
#include <algorithm>

#include "formats/onnx/rules.h"

namespace octile {

void import_non_zero(Node& node) { node.output(node.add(NonZero{}, {node.in(0)})); }

void import_unique(Node& node) {
  Unique op;
  op.flat = !node.has_attribute("axis");
  if (!op.flat) op.axis = node.axis(node.integer("axis"), node.rank(0));
  op.sorted = node.integer("sorted", 1) != 0;
  const LayerId layer = node.add_layer(op, {node.in(0)});
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
  node.output(node.add(op, {node.in(0), node.in(1)}));
}

}  // namespace octile
