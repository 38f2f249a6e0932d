// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss, as models exported with their loss have
// them: the target's class is picked by a comparison with 0, 1, … C − 1.
#include <numeric>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// A list of one entry a class along axis 1 of a tensor of `rank` axes.
TensorId along_classes(Node& node, TensorId list, int64_t classes, int rank) {
  Shuffle op;
  op.has_reshape = true;
  op.dims.assign(static_cast<size_t>(rank - 1), 1);
  op.dims[0] = classes;
  return node.add(std::move(op), {list});
}

/// Weights of the classes; that of the ignored class is 0.
TensorId class_weights(Node& node, int64_t classes) {
  Tensor counted(DataType::kFloat32, Shape{classes});
  std::fill_n(counted.as<float>(), classes, 1.0f);
  const bool ignores = node.has_attribute("ignore_index");
  const int64_t ignored = ignores ? node.integer("ignore_index") : -1;
  const bool inside = ignored >= 0 && ignored < classes;
  if (inside) counted.as<float>()[ignored] = 0.0f;
  const TensorId ones = node.add_constant(std::move(counted), "counted");
  if (!node.has(2)) return ones;
  node.require(node.shape(2) == Shape{classes}, "its weights {} must be ({})",
               node.shape(2).to_string(), classes);
  return inside ? node.elementwise(ElementwiseKind::kMul, node.in(2), ones) : node.in(2);
}

/// (N, 1, d1 …): the target with an axis for the classes.
TensorId target_of(Node& node, const Shape& x) {
  const Shape target = node.shape(1);
  bool fits = target.rank() == x.rank() - 1;
  for (int axis = 2; fits && axis < x.rank(); ++axis) fits = target[axis - 1] == x[axis];
  node.require(fits, "its target {} does not fit x {}", target.to_string(), x.to_string());
  Shuffle op;
  op.has_reshape = true;
  op.dims = {0, 1};
  for (int axis = 1; axis < target.rank(); ++axis) {
    if (target[axis] == kDynamic) {
      node.unsupported("its target {} must be fixed but for the batch", target.to_string());
    }
    op.dims.push_back(target[axis]);
  }
  return node.add(std::move(op), {node.in(1)});
}

TensorId total(Node& node, TensorId x) {
  return node.add(Reduce{ReduceKind::kSum, {}, false}, {x});
}

/// −weight[target] · x[target], reduced as the attribute says. Targets outside the classes (the
/// ignored one may be) pick nothing and weigh nothing.
void output_loss(Node& node, TensorId x) {
  const Shape shape = node.network().shape(x);
  node.require(shape.rank() >= 2, "its input {} has no classes", shape.to_string());
  const int64_t classes = shape[1];
  if (classes == kDynamic || classes > kMostMadeElements) {
    node.unsupported("its input {} must have a fixed number of classes", shape.to_string());
  }
  const std::string reduction = node.text("reduction", "mean");
  std::vector<int64_t> numbers(static_cast<size_t>(classes));
  std::iota(numbers.begin(), numbers.end(), 0);
  const TensorId target = target_of(node, shape);
  const TensorId names = node.add_constant(Tensor::int64s(numbers).cast(node.type(1)), "classes");
  const TensorId hit = node.elementwise(ElementwiseKind::kEqual, target,
                                        along_classes(node, names, classes, shape.rank()));
  const TensorId zero = node.add_constant(Tensor::scalar(0.0f), "zero");
  const TensorId weights = along_classes(node, class_weights(node, classes), classes, shape.rank());
  const Reduce over_classes{ReduceKind::kSum, {1}, false};
  const TensorId picked = node.add(over_classes, {node.add(Select{}, {hit, x, zero})});
  const TensorId weight = node.add(over_classes, {node.add(Select{}, {hit, weights, zero})});
  const TensorId negative = node.unary(UnaryKind::kNeg, picked);
  const TensorId loss = node.elementwise(ElementwiseKind::kMul, negative, weight);
  if (reduction == "none") return node.output(0, loss);
  if (reduction == "sum") return node.output(0, total(node, loss));
  node.require(reduction == "mean", "attribute 'reduction' is '{}'", reduction);
  node.output(0, node.elementwise(ElementwiseKind::kDiv, total(node, loss), total(node, weight)));
}

}  // namespace

void import_nll_loss(Node& node) { output_loss(node, node.in(0)); }

void import_softmax_cross_entropy_loss(Node& node) {
  node.require(node.rank(0) >= 2, "its input {} has no classes", node.shape(0).to_string());
  const TensorId log_prob = log_softmax(node, node.in(0), {1});
  output_loss(node, log_prob);
  node.output(1, log_prob);
}

}  // namespace octile
