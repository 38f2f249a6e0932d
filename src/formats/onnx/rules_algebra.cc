// CumSum and Det.
#include "formats/onnx/rules.h"

namespace octile {

void import_cumulative_sum(Node& node) {
  CumulativeSum op;
  op.axis = node.axis(node.integer_input(1, "axis"), node.rank(0));
  op.exclusive = node.integer("exclusive", 0) != 0;
  op.reverse = node.integer("reverse", 0) != 0;
  node.output(node.add(op, {node.in(0)}));
}

void import_determinant(Node& node) { node.output(node.add(Determinant{}, {node.in(0)})); }

}  // namespace octile
