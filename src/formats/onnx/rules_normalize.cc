// Normalizations. Batch normalization with constants is one Scale; the others are built of means:
// y = (x − mean) / √(mean((x − mean)²) + ε), then scale and bias.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

struct Normalized {
  TensorId y, mean, variance, inverse;  // inverse = 1 / √(variance + ε)
};

Normalized normalize(Node& node, TensorId x, const std::vector<int64_t>& axes, float epsilon) {
  const Reduce mean_of{ReduceKind::kMean, axes, true};
  const TensorId mean = node.add(mean_of, {x});
  const TensorId centred = node.elementwise(ElementwiseKind::kSub, x, mean);
  const TensorId variance =
      node.add(mean_of, {node.elementwise(ElementwiseKind::kMul, centred, centred)});
  const TensorId spread = node.with_scalar(ElementwiseKind::kAdd, variance, epsilon);
  const TensorId inverse = node.unary(UnaryKind::kReciprocal, node.unary(UnaryKind::kSqrt, spread));
  return {node.elementwise(ElementwiseKind::kMul, centred, inverse), mean, variance, inverse};
}

/// A parameter (C) as (C, 1, …, 1), so that it broadcasts along axis 1 of a tensor of `rank` axes.
TensorId along_channels(Node& node, int index, int rank) {
  node.require(node.rank(index) == 1, "input {} has shape {}, but must be (C)", index,
               node.shape(index).to_string());
  const TensorId parameter = node.in(index);
  if (rank <= 2) return parameter;
  Shuffle op;
  op.has_reshape = true;
  op.dims.assign(static_cast<size_t>(rank - 1), 1);
  op.dims[0] = 0;
  return node.add(std::move(op), {parameter});
}

std::vector<int64_t> axes_from(int first, int rank) {
  std::vector<int64_t> axes(static_cast<size_t>(std::max(0, rank - first)));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

TensorId scale_and_shift(Node& node, TensorId x, TensorId scale, TensorId shift) {
  return node.elementwise(ElementwiseKind::kAdd, node.elementwise(ElementwiseKind::kMul, x, scale),
                          shift);
}

/// scale = γ/√(σ²+ε), shift = β − μ·scale, in binary64; nullopt unless all four are constants.
std::optional<std::pair<Tensor, Tensor>> folded_batch_norm(Node& node, float epsilon) {
  const Tensor* parameters[4];
  for (int i = 0; i < 4; ++i) {
    parameters[i] = node.known(i + 1);
    if (parameters[i] == nullptr) return std::nullopt;
    node.require(parameters[i]->type() == DataType::kFloat32 &&
                     parameters[i]->shape().rank() == 1 &&
                     parameters[i]->shape() == parameters[0]->shape(),
                 "input {} has shape {}, but scale has {}; all four must be (C)", i + 1,
                 parameters[i]->shape().to_string(), parameters[0]->shape().to_string());
  }
  std::pair<Tensor, Tensor> result{Tensor(DataType::kFloat32, parameters[0]->shape()),
                                   Tensor(DataType::kFloat32, parameters[0]->shape())};
  for (int64_t c = 0; c < parameters[0]->volume(); ++c) {
    const auto at = [&](int i) { return static_cast<double>(parameters[i]->as<float>()[c]); };
    const double spread = at(3) + static_cast<double>(epsilon);
    node.require(spread > 0.0, "variance[{}] + epsilon is {}, but must be positive", c, spread);
    const double factor = at(0) / std::sqrt(spread);
    result.first.as<float>()[c] = static_cast<float>(factor);
    result.second.as<float>()[c] = static_cast<float>(at(1) - at(2) * factor);
  }
  return result;
}

/// old · momentum + new · (1 − momentum), where `fresh` has extents of 1 beside the channels'.
void output_running(Node& node, int output, int old, TensorId fresh, double momentum) {
  if (!node.wants(output)) return;
  Shuffle flat;
  flat.has_reshape = true;
  flat.dims = {-1};
  const TensorId now = node.add(std::move(flat), {fresh});
  node.output(output,
              node.elementwise(ElementwiseKind::kAdd,
                               node.with_scalar(ElementwiseKind::kMul, node.in(old), momentum),
                               node.with_scalar(ElementwiseKind::kMul, now, 1.0 - momentum)));
}

/// Training mode of opset 14: by the batch's own mean and variance, which the running ones follow.
void batch_norm_of_batch(Node& node, double momentum, float epsilon) {
  const int rank = node.rank(0);
  std::vector<int64_t> axes = axes_from(2, rank);
  axes.insert(axes.begin(), 0);
  const Normalized n = normalize(node, node.in(0), axes, epsilon);
  node.output(
      0, scale_and_shift(node, n.y, along_channels(node, 1, rank), along_channels(node, 2, rank)));
  output_running(node, 1, 3, n.mean, momentum);
  output_running(node, 2, 4, n.variance, momentum);
}

}  // namespace

void import_batch_normalization(Node& node) {
  const double momentum = node.number("momentum", 0.9f);
  if (node.integer("spatial", 1) == 0) node.unsupported("it is not per channel");
  if (node.integer("training_mode", 0) != 0) {
    return batch_norm_of_batch(node, momentum, node.number("epsilon", 1e-5f));
  }
  node.only_outputs(1, "running statistics are of use in training only");
  const float epsilon = node.number("epsilon", 1e-5f);
  const int rank = node.rank(0);
  if (auto folded = folded_batch_norm(node, epsilon)) {
    const TensorId scale = node.add_constant(std::move(folded->first), "scale");
    const TensorId shift = node.add_constant(std::move(folded->second), "shift");
    return node.output(node.add(Scale{1, true, true, false}, {node.in(0), scale, shift}));
  }
  const TensorId centred =
      node.elementwise(ElementwiseKind::kSub, node.in(0), along_channels(node, 3, rank));
  const TensorId spread =
      node.with_scalar(ElementwiseKind::kAdd, along_channels(node, 4, rank), epsilon);
  const TensorId y =
      node.elementwise(ElementwiseKind::kDiv, centred, node.unary(UnaryKind::kSqrt, spread));
  node.output(
      scale_and_shift(node, y, along_channels(node, 1, rank), along_channels(node, 2, rank)));
}

void import_instance_normalization(Node& node) {
  const int rank = node.rank(0);
  node.require(rank >= 3, "its input {} has no spatial axes", node.shape(0).to_string());
  const TensorId y =
      normalize(node, node.in(0), axes_from(2, rank), node.number("epsilon", 1e-5f)).y;
  node.output(
      scale_and_shift(node, y, along_channels(node, 1, rank), along_channels(node, 2, rank)));
}

/// Reshaped to (N, groups, rest), normalized, and back. Before opset 21 scale and bias are
/// (groups).
void import_group_normalization(Node& node) {
  const Shape x = node.shape(0);
  const int64_t groups = node.integer("num_groups");
  node.attribute("stash_type");
  node.require(x.rank() >= 2 && groups >= 1 && groups <= INT32_MAX,
               "its input {} does not split into {} groups", x.to_string(), groups);
  Shuffle split, join;
  split.has_reshape = join.has_reshape = true;
  split.dims = {0, groups, -1};
  join.dims = {0};
  for (int axis = 1; axis < x.rank(); ++axis) {
    if (x[axis] == kDynamic)
      node.unsupported("its input {} must be fixed but for the batch", x.to_string());
    join.dims.push_back(x[axis]);
  }
  TensorId y = node.add(std::move(split), {node.in(0)});
  y = normalize(node, y, {2}, node.number("epsilon", 1e-5f)).y;
  if (node.opset() < 21) {
    y = scale_and_shift(node, y, along_channels(node, 1, 3), along_channels(node, 2, 3));
    return node.output(node.add(std::move(join), {y}));
  }
  y = node.add(std::move(join), {y});
  node.output(scale_and_shift(node, y, along_channels(node, 1, x.rank()),
                              along_channels(node, 2, x.rank())));
}

void import_layer_normalization(Node& node) {
  node.attribute("stash_type");
  const int rank = node.rank(0);
  const int axis = node.axis(node.integer("axis", -1), rank);
  const Normalized n =
      normalize(node, node.in(0), axes_from(axis, rank), node.number("epsilon", 1e-5f));
  TensorId y = node.elementwise(ElementwiseKind::kMul, n.y, node.in(1));
  if (node.has(2)) y = node.elementwise(ElementwiseKind::kAdd, y, node.in(2));
  node.output(0, y);
  node.output(1, n.mean);
  node.output(2, n.inverse);
}

/// (x − mean) / (√variance + 1e-9).
void import_mean_variance_normalization(Node& node) {
  std::vector<int64_t> axes = node.integers("axes");
  if (axes.empty()) axes = {0, 2, 3};
  for (int64_t& axis : axes) axis = node.axis(axis, node.rank(0));
  const Reduce mean_of{ReduceKind::kMean, axes, true};
  const TensorId x = node.in(0);
  const TensorId centred = node.elementwise(ElementwiseKind::kSub, x, node.add(mean_of, {x}));
  const TensorId variance =
      node.add(mean_of, {node.elementwise(ElementwiseKind::kMul, centred, centred)});
  const TensorId spread =
      node.with_scalar(ElementwiseKind::kAdd, node.unary(UnaryKind::kSqrt, variance), 1e-9);
  node.output(node.elementwise(ElementwiseKind::kDiv, centred, spread));
}

void import_lp_normalization(Node& node) {
  const int axis = node.axis(node.integer("axis", -1), node.rank(0));
  const int64_t p = node.integer("p", 2);
  node.require(p == 1 || p == 2, "attribute 'p' is {}; ONNX knows 1 and 2", p);
  const TensorId x = node.in(0);
  const TensorId size =
      p == 1 ? node.unary(UnaryKind::kAbs, x) : node.elementwise(ElementwiseKind::kMul, x, x);
  TensorId norm = node.add(Reduce{ReduceKind::kSum, {axis}, true}, {size});
  if (p == 2) norm = node.unary(UnaryKind::kSqrt, norm);
  node.output(node.elementwise(ElementwiseKind::kDiv, x, norm));
}

/// x · (bias + alpha · mean)^−beta, where the mean of x² over the channels around (zeros beside the
/// image) is an average pooling of (N, 1, C, rest).
void import_lrn(Node& node) {
  const Shape x = node.shape(0);
  node.require(x.rank() >= 2, "its input {} has no channels", x.to_string());
  const int64_t size = node.integer("size"), unknown = std::count(x.begin() + 1, x.end(), kDynamic);
  node.require(size >= 1 && size <= kMostMadeElements, "attribute 'size' is {}", size);
  if (x[1] == kDynamic || unknown > 1) {
    node.unsupported("its input {} must have fixed channels and at most one other unknown extent",
                     x.to_string());
  }
  Shuffle flat, back;
  flat.has_reshape = back.has_reshape = true;
  flat.dims = {0, 1, x[1], -1};
  back.dims = x.to_vector();
  back.dims[0] = 0;
  Pooling pool;
  pool.kind = PoolingKind::kAverage;
  pool.count_padding = true;
  pool.window.kernel = {size, 1};
  pool.window.pad_before = {(size - 1) / 2, 0};
  pool.window.pad_after = {size - 1 - (size - 1) / 2, 0};
  const auto number = [&](float value, std::string_view name) {
    return node.add_constant(Tensor::scalar(value), name);
  };
  const TensorId squares = node.elementwise(ElementwiseKind::kMul, node.in(0), node.in(0));
  const TensorId mean = node.add(std::move(pool), {node.add(std::move(flat), {squares})});
  const TensorId factor =
      node.add(Scale{1, true, true, true}, {mean, number(node.number("alpha", 1e-4f), "alpha"),
                                            number(node.number("bias", 1.0f), "bias"),
                                            number(-node.number("beta", 0.75f), "minus_beta")});
  node.output(
      node.elementwise(ElementwiseKind::kMul, node.in(0), node.add(std::move(back), {factor})));
}

}  // namespace octile
