// Reductions, softmax, and the best entries along an axis.
#include <limits>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// A reduction as the file asks for it. `none`: no axes, and that means "do not reduce".
struct Request {
  std::vector<int64_t> axes;
  bool keep_dims = true;
  bool none = false;
};

Request read_request(Node& node) {
  const int64_t since = node.op_type() == "ReduceSum" ? 13 : 18;
  Request request;
  for (const int64_t a : node.integers("axes", 1, since)) {
    request.axes.push_back(node.axis(a, node.rank(0)));
  }
  request.keep_dims = node.integer("keepdims", 1) != 0;
  request.none = node.integer("noop_with_empty_axes", 0) != 0 && request.axes.empty();
  return request;
}

TensorId reduce(Node& node, ReduceKind kind, TensorId x, const Request& request, bool keep_dims) {
  return request.none ? x : node.add(Reduce{kind, request.axes, keep_dims}, {x});
}

/// log Σ e^x = m + log Σ e^(x − m), m the largest x: no overflow. m is kept finite, so that
/// infinities come out right.
TensorId log_sum_exp(Node& node, TensorId x, const Request& request) {
  if (request.none) return x;
  constexpr float kMost = std::numeric_limits<float>::max();
  const auto finite = [&](TensorId t) {
    return node.add(Activation{ActivationKind::kClip, -kMost, kMost}, {t});
  };
  const TensorId wide = finite(reduce(node, ReduceKind::kMax, x, request, true));
  const TensorId centred = node.elementwise(ElementwiseKind::kSub, x, wide);
  const TensorId sum = reduce(node, ReduceKind::kSum, node.unary(UnaryKind::kExp, centred),
                              request, request.keep_dims);
  const TensorId largest =
      request.keep_dims ? wide : finite(reduce(node, ReduceKind::kMax, x, request, false));
  return node.elementwise(ElementwiseKind::kAdd, node.unary(UnaryKind::kLog, sum), largest);
}

TensorId reduced(Node& node, TensorId x, const Request& request) {
  const std::string& type = node.op_type();
  const auto by = [&](ReduceKind kind, TensorId t) {
    return reduce(node, kind, t, request, request.keep_dims);
  };
  if (type == "ReduceSum") return by(ReduceKind::kSum, x);
  if (type == "ReduceMean") return by(ReduceKind::kMean, x);
  if (type == "ReduceMax") return by(ReduceKind::kMax, x);
  if (type == "ReduceMin") return by(ReduceKind::kMin, x);
  if (type == "ReduceProd") return by(ReduceKind::kProd, x);
  if (type == "ReduceL1") return by(ReduceKind::kSum, node.unary(UnaryKind::kAbs, x));
  if (type == "ReduceLogSum") return node.unary(UnaryKind::kLog, by(ReduceKind::kSum, x));
  if (type == "ReduceLogSumExp") return log_sum_exp(node, x, request);
  const TensorId squares =
      by(ReduceKind::kSum, node.elementwise(ElementwiseKind::kMul, x, x));
  return type == "ReduceL2" ? node.unary(UnaryKind::kSqrt, squares) : squares;
}

/// `x` without `axis`, whose extent is 1.
TensorId without_axis(Node& node, TensorId x, int axis) {
  const Shape shape = node.network().shape(x);
  Shuffle op;
  op.has_reshape = true;
  int unknown = 0;
  for (int a = 0; a < shape.rank(); ++a) {
    if (a == axis) continue;
    const bool copied = a < axis;
    unknown += copied ? 0 : shape[a] == kDynamic ? 1 : shape[a] == 0 ? 2 : 0;
    op.dims.push_back(copied ? 0 : shape[a]);
  }
  // A reshape infers one extent and reads 0 as "copy"; the maximum over one entry always works.
  if (unknown > 1) return node.add(Reduce{ReduceKind::kMax, {axis}, false}, {x});
  return node.add(op, {x});
}

/// `x` read backwards along `axis`, so that among equals the last one comes first.
TensorId reversed(Node& node, TensorId x, int axis, int64_t extent) {
  return node.add(Slice{{axis}, {-1}, {extent}, {-1}}, {x});
}

}  // namespace

void import_reduce(Node& node) {
  const DataType type = node.type(0);
  const Request request = read_request(node);
  const bool narrow =
      type == DataType::kInt8 || type == DataType::kUInt8 || type == DataType::kBool;
  const TensorId x = node.in(0);
  const TensorId y = reduced(node, narrow ? node.cast(x, DataType::kInt32) : x, request);
  node.output(node.cast(y, type));
}

void import_softmax(Node& node) {
  const bool flattens = node.opset() < 13;  // the axes from `axis` on, taken together
  const int rank = node.rank(0);
  const int axis = node.axis(node.integer("axis", flattens ? 1 : -1), rank);
  Softmax op;
  for (int a = axis; a < (flattens ? rank : axis + 1); ++a) op.axes.push_back(a);
  node.output(node.add(op, {node.in(0)}));
}

/// x − log Σ e^x, not log(softmax): small probabilities would be log 0.
void import_log_softmax(Node& node) {
  const bool flattens = node.opset() < 13;
  const int rank = node.rank(0);
  const int axis = node.axis(node.integer("axis", flattens ? 1 : -1), rank);
  Request request;
  for (int a = axis; a < (flattens ? rank : axis + 1); ++a) request.axes.push_back(a);
  const TensorId x = node.in(0);
  node.output(node.elementwise(ElementwiseKind::kSub, x, log_sum_exp(node, x, request)));
}

void import_top_k(Node& node) {
  TopK op;
  op.axis = node.axis(node.integer("axis", -1), node.rank(0));
  if (node.opset() < 10) {
    op.k = node.integer("k");
  } else {
    const std::vector<int64_t> k = node.integers(1, "k");
    node.require(k.size() == 1, "its k must be one number, not {}", k.size());
    op.k = k[0];
  }
  node.require(op.k >= 0, "its k is {}, but must not be negative", op.k);
  op.largest = node.integer("largest", 1) != 0;
  node.integer("sorted", 1);  // sorted is one of the orders that 0 allows
  const LayerId layer = node.add_layer(op, {node.in(0)});
  node.output(0, node.network().output(layer, 0));
  if (node.wants(1)) {
    node.output(1, node.cast(node.network().output(layer, 1), DataType::kInt64));
  }
}

void import_arg_best(Node& node) {
  const int axis = node.axis(node.integer("axis", 0), node.rank(0));
  const bool keep_dims = node.integer("keepdims", 1) != 0;
  const bool last = node.integer("select_last_index", 0) != 0;
  const int64_t extent = node.shape(0)[axis];
  if (last && extent == kDynamic) {
    node.unsupported("select_last_index needs a known extent of axis {}; give the model's inputs "
                     "fixed shapes", axis);
  }
  TensorId x = node.in(0);
  if (last) x = reversed(node, x, axis, extent);
  const LayerId layer = node.add_layer(TopK{1, axis, node.op_type() == "ArgMax"}, {x});
  TensorId best = node.cast(node.network().output(layer, 1), DataType::kInt64);
  if (last) {
    best = node.with_scalar(ElementwiseKind::kAdd, node.unary(UnaryKind::kNeg, best),
                            static_cast<double>(extent - 1));
  }
  node.output(keep_dims ? best : without_axis(node, best, axis));
}

}  // namespace octile
