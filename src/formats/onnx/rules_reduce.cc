// Reductions, Softmax and LogSoftmax, TopK and ArgMax.
#include <algorithm>
#include <numeric>
#include <optional>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// What is done before and after the plain reduction.
enum class Around : uint8_t { kNothing, kAbs, kSquare, kLog, kLogSumExp, kRootOfSquares };

struct ReduceRow {
  std::string_view op_type;
  ReduceKind kind;
  Around around;
};

constexpr ReduceRow kReduces[] = {
    {"ReduceL1", ReduceKind::kSum, Around::kAbs},
    {"ReduceL2", ReduceKind::kSum, Around::kRootOfSquares},
    {"ReduceLogSum", ReduceKind::kSum, Around::kLog},
    {"ReduceLogSumExp", ReduceKind::kSum, Around::kLogSumExp},
    {"ReduceMax", ReduceKind::kMax, Around::kNothing},
    {"ReduceMean", ReduceKind::kMean, Around::kNothing},
    {"ReduceMin", ReduceKind::kMin, Around::kNothing},
    {"ReduceProd", ReduceKind::kProd, Around::kNothing},
    {"ReduceSum", ReduceKind::kSum, Around::kNothing},
    {"ReduceSumSquare", ReduceKind::kSum, Around::kSquare},
};

/// x − max(x) along the axes, and that maximum with its axes kept.
std::pair<TensorId, TensorId> without_maximum(Node& node, TensorId x,
                                              const std::vector<int64_t>& axes) {
  const TensorId most = node.add(Reduce{ReduceKind::kMax, axes, true}, {x});
  return {node.elementwise(ElementwiseKind::kSub, x, most), most};
}

/// log Σ eˣ = max + log Σ e^(x − max).
TensorId log_sum_exp(Node& node, TensorId x, const Reduce& reduce) {
  const auto [shifted, most] = without_maximum(node, x, reduce.axes);
  const TensorId sum =
      node.add(Reduce{ReduceKind::kSum, reduce.axes, true}, {node.unary(UnaryKind::kExp, shifted)});
  const TensorId y =
      node.elementwise(ElementwiseKind::kAdd, node.unary(UnaryKind::kLog, sum), most);
  if (reduce.keep_dims) return y;
  return node.add(Reduce{ReduceKind::kMax, reduce.axes, false}, {y});  // drops the axes of 1
}

/// Axes of a reduction; nullopt when it does nothing (noop_with_empty_axes).
std::optional<std::vector<int64_t>> reduced_axes(Node& node) {
  const int64_t since = node.op_type() == "ReduceSum" ? 13 : 18;
  std::vector<int64_t> axes = node.integers("axes", 1, since);
  for (int64_t& axis : axes) axis = node.axis(axis, node.rank(0));
  if (axes.empty() && node.integer("noop_with_empty_axes", 0) != 0) return std::nullopt;
  return axes;
}

/// The axes that a Softmax normalizes over: one since opset 13, all from `axis` on before.
std::vector<int64_t> softmax_axes(Node& node) {
  const int rank = node.rank(0);
  if (node.opset() >= 13) return {node.axis(node.integer("axis", -1), rank)};
  const int64_t first = node.integer("axis", 1);
  std::vector<int64_t> axes;
  for (int axis = first == rank ? rank : node.axis(first, rank); axis < rank; ++axis) {
    axes.push_back(axis);
  }
  node.require(!axes.empty(), "axis {} leaves nothing of x {} to normalize", first,
               node.shape(0).to_string());
  return axes;
}

}  // namespace

void import_reduce(Node& node) {
  const auto* row = std::find_if(std::begin(kReduces), std::end(kReduces),
                                 [&](const auto& r) { return r.op_type == node.op_type(); });
  check(row != std::end(kReduces), ErrorCode::kInternal, "no reduction {}", node.op_type());
  const DataType type = node.type(0);
  const auto axes = reduced_axes(node);
  const bool keep = node.integer("keepdims", 1) != 0;
  const bool narrow = type == DataType::kInt8 || type == DataType::kUInt8;
  TensorId x = narrow ? node.cast(node.in(0), DataType::kInt32) : node.in(0);
  if (row->around == Around::kAbs) x = node.unary(UnaryKind::kAbs, x);
  if (row->around == Around::kSquare || row->around == Around::kRootOfSquares) {
    x = node.elementwise(ElementwiseKind::kMul, x, x);
  }
  if (axes && row->around == Around::kLogSumExp) {
    return node.output(log_sum_exp(node, x, Reduce{row->kind, *axes, keep}));
  }
  // Of a scalar there is nothing to reduce.
  if (axes && node.rank(0) > 0) x = node.add(Reduce{row->kind, *axes, keep}, {x});
  if (row->around == Around::kLog) x = node.unary(UnaryKind::kLog, x);
  if (row->around == Around::kRootOfSquares) x = node.unary(UnaryKind::kSqrt, x);
  node.output(node.cast(x, type));
}

void import_softmax(Node& node) {
  node.output(node.add(Softmax{softmax_axes(node)}, {node.in(0)}));
}

/// The logarithm of a softmax would lose the small ones.
TensorId log_softmax(Node& node, TensorId x, const std::vector<int64_t>& axes) {
  const auto [shifted, most] = without_maximum(node, x, axes);
  const TensorId sum =
      node.add(Reduce{ReduceKind::kSum, axes, true}, {node.unary(UnaryKind::kExp, shifted)});
  return node.elementwise(ElementwiseKind::kSub, shifted, node.unary(UnaryKind::kLog, sum));
}

void import_log_softmax(Node& node) {
  node.output(log_softmax(node, node.in(0), softmax_axes(node)));
}

static void output_top_k(Node& node, LayerId layer) {
  node.output(0, node.network().output(layer, 0));
  if (node.wants(1)) {
    node.output(1, node.cast(node.network().output(layer, 1), DataType::kInt64));
  }
}

void import_top_k(Node& node) {
  TopK op;
  op.axis = node.axis(node.integer("axis", -1), node.rank(0));
  op.largest = node.integer("largest", 1) != 0;
  node.attribute("sorted");  // ours always is
  if (node.opset() < 10) {
    op.k = node.integer("k");
  } else if (node.known(1) == nullptr && node.at_run_time(1)) {
    return output_top_k(
        node, node.add_layer(TopKOf{op.axis, op.largest}, {node.in(0), node.run_time_list(1)}));
  } else {
    const std::vector<int64_t> k = node.integers(1, "k");
    node.require(k.size() == 1, "k must be one number");
    op.k = k[0];
  }
  output_top_k(node, node.add_layer(op, {node.in(0)}));
}

/// ArgMax and ArgMin: the index of TopK with k = 1, as int64. TopK takes the first of equals; the
/// last is the first of the reversed axis.
void import_arg_best(Node& node) {
  const bool last = node.integer("select_last_index", 0) != 0;
  const int axis = node.axis(node.integer("axis", 0), node.rank(0));
  const int64_t extent = node.shape(0)[axis];
  TensorId x = node.in(0);
  if (last) {
    if (extent == kDynamic) node.unsupported("it takes the last index of an unknown extent");
    x = node.add(Slice{{axis}, {-1}, {-1}, {-1}}, {x});
  }
  const LayerId layer = node.add_layer(TopK{1, axis, node.op_type() == "ArgMax"}, {x});
  TensorId index = node.network().output(layer, 1);
  if (last) {
    index = node.unary(UnaryKind::kNeg, index);
    index = node.with_scalar(ElementwiseKind::kAdd, index, static_cast<double>(extent - 1));
  }
  if (node.integer("keepdims", 1) == 0) {
    index = node.add(Reduce{ReduceKind::kMax, {axis}, false}, {index});  // drops the axis of 1
  }
  node.output(node.cast(index, DataType::kInt64));
}

}  // namespace octile
