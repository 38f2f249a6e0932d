// Normalizations. Batch normalization is one Scale layer; the others, whose moments depend on the
// input, are spelled out in reductions and elementwise layers.
#include <limits>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// The constant as float32 of shape (volume).
Tensor channel_values(Node& node, int index, std::string_view what, int64_t wanted) {
  const Tensor value = node.constant(index, what).cast(DataType::kFloat32);
  node.require(value.shape().rank() == 1 && (wanted == kDynamic || value.volume() == wanted),
               "its {} has shape {}, but must be ({})", what, value.shape().to_string(), wanted);
  return value;
}

int64_t channels_of(Node& node) {
  node.require(node.rank(0) >= 2, "its input has shape {}, but needs a batch and a channel axis",
               node.shape(0).to_string());
  return node.shape(0)[1];
}

/// (x − mean) / √(variance + ε), the moments taken over `axes`.
TensorId standardized(Node& node, TensorId x, const std::vector<int64_t>& axes, float epsilon) {
  const auto mean = [&](TensorId t) { return node.add(Reduce{ReduceKind::kMean, axes, true}, {t}); };
  const TensorId centred = node.elementwise(ElementwiseKind::kSub, x, mean(x));
  const TensorId variance = mean(node.elementwise(ElementwiseKind::kMul, centred, centred));
  const TensorId spread = node.unary(
      UnaryKind::kSqrt,
      node.with_scalar(ElementwiseKind::kAdd, variance, static_cast<double>(epsilon)));
  return node.elementwise(ElementwiseKind::kDiv, centred, spread);
}

/// x · scale + shift along axis 1, by inputs 1 and 2 of the node.
TensorId scaled(Node& node, TensorId x, int64_t slices) {
  Scale op;
  op.has_scale = op.has_shift = true;
  const TensorId scale =
      node.add_constant(channel_values(node, 1, "scale", slices), "scale");
  const TensorId shift = node.add_constant(channel_values(node, 2, "bias", slices), "shift");
  return node.add(op, {x, scale, shift});
}

std::vector<int64_t> axes_from(int first, int rank) {
  std::vector<int64_t> axes;
  for (int axis = first; axis < rank; ++axis) axes.push_back(axis);
  return axes;
}

/// Dims that reshape to `shape`: axis 0 copied, at most one other unknown.
Shuffle reshape_to(Node& node, const Shape& shape) {
  Shuffle op;
  op.has_reshape = true;
  int unknown = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    unknown += axis > 0 && shape[axis] == kDynamic;
    op.dims.push_back(axis == 0 ? 0 : shape[axis]);
  }
  if (unknown > 1) {
    node.unsupported("its input has shape {} with more than one unknown extent behind the batch; "
                     "give the model's inputs fixed shapes", shape.to_string());
  }
  return op;
}

}  // namespace

void import_batch_normalization(Node& node) {
  const float epsilon = node.number("epsilon", 1e-5f);
  node.number("momentum", 0.9f);  // of training only
  if (node.integer("training_mode", 0) != 0 || node.integer("is_test", 1) == 0) {
    node.unsupported("it is in training mode; export the model for inference");
  }
  if (node.integer("spatial", 1) == 0) {
    node.unsupported("statistics of every pixel (spatial=0) are not supported");
  }
  node.only_outputs(1, "only training needs the statistics");
  const int64_t channels = channels_of(node);
  const Tensor gamma = channel_values(node, 1, "scale", channels);
  const Tensor beta = channel_values(node, 2, "bias", channels);
  const Tensor mean = channel_values(node, 3, "mean", channels);
  const Tensor variance = channel_values(node, 4, "variance", channels);
  const TensorId y =
      node.network().batch_norm(node.in(0), gamma, beta, mean, variance, epsilon,
                                node.state().free_layer_name(node.name()));
  node.state().extents.follow(node.network(), node.network().producer(y));
  node.output(y);
}

void import_instance_normalization(Node& node) {
  const float epsilon = node.number("epsilon", 1e-5f);
  const int64_t channels = channels_of(node);
  node.require(node.rank(0) >= 3, "its input has shape {}, but needs a spatial axis",
               node.shape(0).to_string());
  const TensorId x = standardized(node, node.in(0), axes_from(2, node.rank(0)), epsilon);
  node.output(scaled(node, x, channels));
}

void import_group_normalization(Node& node) {
  const float epsilon = node.number("epsilon", 1e-5f);
  const int64_t groups = node.integer("num_groups"), channels = channels_of(node);
  node.integer("stash_type", 1);  // Octile computes in float32
  node.require(groups > 0 && (channels == kDynamic || channels % groups == 0),
               "its {} channels cannot be split in {} groups", channels, groups);
  const Shape shape = node.shape(0);
  const Shuffle back = reshape_to(node, shape);
  Shuffle split;
  split.has_reshape = true;
  split.dims = {0, groups, -1};
  const bool per_group = node.opset() < 21;  // later: one scale a channel
  TensorId x = standardized(node, node.add(split, {node.in(0)}), {2}, epsilon);
  if (per_group) x = scaled(node, x, groups);
  x = node.add(back, {x});
  node.output(per_group ? x : scaled(node, x, channels));
}

void import_layer_normalization(Node& node) {
  const float epsilon = node.number("epsilon", 1e-5f);
  node.integer("stash_type", 1);
  node.only_outputs(1, "only training needs the statistics");
  const int axis = node.axis(node.integer("axis", -1), node.rank(0));
  TensorId x = standardized(node, node.in(0), axes_from(axis, node.rank(0)), epsilon);
  x = node.elementwise(ElementwiseKind::kMul, x, node.in(1));
  if (node.has(2)) x = node.elementwise(ElementwiseKind::kAdd, x, node.in(2));
  node.output(x);
}

void import_lp_normalization(Node& node) {
  const int64_t p = node.integer("p", 2);
  node.require(p == 1 || p == 2, "its p is {}, but must be 1 or 2", p);
  const int64_t axis = node.axis(node.integer("axis", -1), node.rank(0));
  const TensorId x = node.in(0);
  const TensorId powers = p == 1 ? node.unary(UnaryKind::kAbs, x)
                                 : node.elementwise(ElementwiseKind::kMul, x, x);
  TensorId norm = node.add(Reduce{ReduceKind::kSum, {axis}, true}, {powers});
  if (p == 2) norm = node.unary(UnaryKind::kSqrt, norm);
  // A norm of 0 belongs to zeros, which stay zeros.
  norm = node.with_scalar(ElementwiseKind::kMax, norm,
                          static_cast<double>(std::numeric_limits<float>::min()));
  node.output(node.elementwise(ElementwiseKind::kDiv, x, norm));
}

}  // namespace octile
