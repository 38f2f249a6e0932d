// Operators about positions: OneHot, Hardmax, EyeLike, Trilu, Compress, ReverseSequence. They are
// made of comparisons with 0, 1, 2, …, of selections and of Gather.
#include <algorithm>
#include <numeric>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// 0, 1, … count − 1 in a type, along `axis` of a tensor of `rank` axes.
TensorId counting(Node& node, int64_t count, DataType type, int axis, int rank) {
  node.require(count >= 0 && count <= kMostMadeElements, "it counts to {}", count);
  std::vector<int64_t> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), 0);
  Shape shape;
  for (int a = 0; a < rank; ++a) shape.push_back(a == axis ? count : 1);
  return node.add_constant(Tensor::int64s(values).cast(type).reshaped(shape), "counting");
}

/// The same up to the extent of an axis of input 0, known or not.
TensorId counting_axis(Node& node, int of, int axis, int rank) {
  const int64_t extent = node.shape(0)[of];
  if (extent != kDynamic) return counting(node, extent, DataType::kInt64, axis, rank);
  const TensorId all = node.add_beside(ShapeOf{}, {node.in(0)}, "extents");
  const TensorId limit = node.add_beside(Slice{{0}, {of}, {1}, {}}, {all}, "extent");
  const TensorId start = node.add_constant(Tensor::int64s({0}), "start"),
                 step = node.add_constant(Tensor::int64s({1}), "step");
  std::vector<int64_t> dims(static_cast<size_t>(rank), 1);
  dims[static_cast<size_t>(axis)] = -1;
  return node.reshape(node.add_beside(Counting{}, {start, limit, step}, "counting"), dims);
}

int64_t fixed_extent(Node& node, int index, int axis) {
  const int64_t extent = node.shape(index)[axis];
  if (extent == kDynamic) {
    node.unsupported("axis {} of input {} {} must have a fixed extent", axis, index,
                     node.shape(index).to_string());
  }
  return extent;
}

/// x with an axis of 1 at `axis`; at most one extent may be unknown.
TensorId unsqueezed(Node& node, TensorId x, int axis) {
  std::vector<int64_t> dims = node.network().shape(x).to_vector();
  if (std::count(dims.begin(), dims.end(), kDynamic) > 1) {
    node.unsupported("its indices have more than one unknown extent");
  }
  dims.insert(dims.begin() + axis, 1);
  return node.reshape(x, std::move(dims));
}

/// 1.0 where x is the first largest along `axis`.
TensorId hardmax(Node& node, TensorId x, int axis) {
  const Shape shape = node.network().shape(x);
  if (shape[axis] == kDynamic) node.unsupported("axis {} has no fixed extent", axis);
  const LayerId best = node.add_layer(TopK{1, axis, true}, {x});
  const TensorId positions = counting(node, shape[axis], DataType::kInt32, axis, shape.rank());
  const TensorId hit =
      node.elementwise(ElementwiseKind::kEqual, node.network().output(best, 1), positions);
  return node.cast(hit, DataType::kFloat32);
}

}  // namespace

/// values[1] where an index (negative ones count from depth) is the position on the new axis.
void import_one_hot(Node& node) {
  const int64_t depth = node.integer_input(1, "depth");
  const int rank = node.rank(0) + 1;
  const int axis = node.axis(node.integer("axis", -1), rank);
  TensorId index = unsqueezed(node, node.cast(node.in(0), DataType::kInt64), axis);
  const TensorId wrapped = node.with_scalar(ElementwiseKind::kAdd, index, double(depth));
  const TensorId negative = node.with_scalar(ElementwiseKind::kLess, index, 0.0);
  index = node.add(Select{}, {negative, wrapped, index});
  const TensorId hit = node.elementwise(ElementwiseKind::kEqual, index,
                                        counting(node, depth, DataType::kInt64, axis, rank));
  node.require(node.shape(2) == Shape{2}, "its values must be (off, on), not {}",
               node.shape(2).to_string());
  const TensorId off = node.add(Slice{{0}, {0}, {1}, {}}, {node.in(2)});
  const TensorId on = node.add(Slice{{0}, {1}, {1}, {}}, {node.in(2)});
  node.output(node.add(Select{}, {hit, on, off}));
}

/// Before opset 13 all axes from `axis` on are one.
void import_hardmax(Node& node) {
  const Shape x = node.shape(0);
  const bool flat = node.opset() < 13;
  const int64_t given = node.integer("axis", flat ? 1 : -1);
  if (!flat) return node.output(hardmax(node, node.in(0), node.axis(given, x.rank())));
  const int first = given == x.rank() ? x.rank() : node.axis(given, x.rank());
  if (!x.is_static()) node.unsupported("its input {} must have a fixed shape", x.to_string());
  int64_t columns = 1;
  for (int a = first; a < x.rank(); ++a) columns *= x[a];
  node.require(columns > 0, "axis {} leaves nothing of {}", given, x.to_string());
  const TensorId rows = node.reshape(node.in(0), {-1, columns});
  node.output(node.reshape(hardmax(node, rows, 1), x.to_vector()));
}

void import_eye_like(Node& node) {
  node.require(node.rank(0) == 2, "its input {} is no matrix", node.shape(0).to_string());
  const int64_t rows = fixed_extent(node, 0, 0), columns = fixed_extent(node, 0, 1);
  node.require(rows <= kMostMadeElements && columns <= kMostMadeElements &&
                   rows * columns <= kMostMadeElements,
               "{} is too large", node.shape(0).to_string());
  const int64_t k = std::clamp<int64_t>(node.integer("k", 0), -rows, columns);
  const DataType type = node.type_attribute("dtype", node.type(0));
  Tensor eye(DataType::kFloat32, Shape{rows, columns});
  for (int64_t row = std::max<int64_t>(0, -k); row < rows && row + k < columns; ++row) {
    eye.as<float>()[row * columns + row + k] = 1.0f;
  }
  node.output(0, Value::of(eye.cast(type)));
}

/// x on and above (below) diagonal k of its last two axes, else 0.
void import_trilu(Node& node) {
  const int rank = node.rank(0);
  node.require(rank >= 2, "its input {} is no matrix", node.shape(0).to_string());
  const bool upper = node.integer("upper", 1) != 0;
  int64_t k = node.has(1) ? node.integer_input(1, "k") : 0;
  k = std::clamp<int64_t>(k, -INT32_MAX, INT32_MAX);
  const TensorId x = node.in(0);
  const TensorId row = counting_axis(node, rank - 2, 0, 2);
  const TensorId column = counting_axis(node, rank - 1, 1, 2);
  const TensorId offset = node.elementwise(ElementwiseKind::kSub, column, row);
  const TensorId kept = upper ? node.with_scalar(ElementwiseKind::kGreater, offset, double(k - 1))
                              : node.with_scalar(ElementwiseKind::kLess, offset, double(k + 1));
  const TensorId zero = node.add_constant(Tensor(node.type(0), Shape{}), "zero");
  node.output(node.add(Select{}, {kept, x, zero}));
}

/// A Gather of the positions that a constant condition names; another one is for run time.
void import_compress(Node& node) {
  if (node.known(1) == nullptr) {
    const bool flat = !node.has_attribute("axis");
    const int64_t along = flat ? 0 : node.axis(node.integer("axis"), node.rank(0));
    return node.output(node.add(Compress{flat, along}, {node.in(0), node.in(1)}));
  }
  const Tensor& condition = node.constant(1, "condition");
  node.require(condition.type() == DataType::kBool && condition.shape().rank() == 1,
               "its condition must be a list of bool, not {} {}", name_of(condition.type()),
               condition.shape().to_string());
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < condition.volume(); ++i) {
    if (condition.as<uint8_t>()[i] != 0) kept.push_back(i);
  }
  TensorId x = node.in(0);
  int axis = 0;
  if (node.has_attribute("axis")) {
    axis = node.axis(node.integer("axis"), node.rank(0));
  } else {
    x = node.reshape(x, {-1});
  }
  node.output(node.add(Gather{axis}, {x, node.add_constant(Tensor::int64s(kept), "kept")}));
}

/// On the flattened (first, second) axes one Gather of the rows t < length ? length − 1 − t : t.
void import_reverse_sequence(Node& node) {
  const Shape x = node.shape(0);
  const int64_t time = node.integer("time_axis", 0), batch = node.integer("batch_axis", 1);
  node.require(x.rank() >= 2 && time + batch == 1 && (time == 0 || time == 1),
               "time_axis {} and batch_axis {} must be 0 and 1", time, batch);
  const int64_t times = fixed_extent(node, 0, int(time)),
                batches = fixed_extent(node, 0, int(batch));
  if (!x.is_static()) node.unsupported("its input {} must have a fixed shape", x.to_string());
  node.require(node.shape(1) == Shape{batches}, "its sequence_lens {} must be ({})",
               node.shape(1).to_string(), batches);
  const TensorId length =
      node.reshape(node.cast(node.in(1), DataType::kInt64),
                   time == 0 ? std::vector<int64_t>{1, batches} : std::vector<int64_t>{batches, 1});
  const TensorId t = counting(node, times, DataType::kInt64, int(time), 2);
  const TensorId b = counting(node, batches, DataType::kInt64, int(batch), 2);
  const TensorId last = node.with_scalar(ElementwiseKind::kSub, length, 1.0);
  const TensorId source = node.add(Select{}, {node.elementwise(ElementwiseKind::kLess, t, length),
                                              node.elementwise(ElementwiseKind::kSub, last, t), t});
  const TensorId slow = time == 0 ? source : b, fast = time == 0 ? b : source;
  const TensorId row = node.elementwise(
      ElementwiseKind::kAdd,
      node.with_scalar(ElementwiseKind::kMul, slow, double(time == 0 ? batches : times)), fast);
  std::vector<int64_t> rows{times * batches}, dims = x.to_vector();
  rows.insert(rows.end(), dims.begin() + 2, dims.end());
  const TensorId flat = node.reshape(node.in(0), rows);
  const TensorId moved = node.add(Gather{0}, {flat, node.reshape(row, {-1})});
  node.output(node.reshape(moved, dims));
}

}  // namespace octile
