// Reduce: sum, product, maximum, minimum, mean over axes; float32 (summed in binary64 in row-major
// order), int32 and int64 (sums wrap, the mean truncates).
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel_for.h"
#include "ops/families.h"
#include "ops/rows.h"
#include "ops/sum_tile.h"

namespace octile {
namespace {

/// x's axes split in two walks: the kept ones (outputs in order) and the reduced ones.
struct Split {
  Shape kept, reduced;
  std::array<Strides, 1> kept_strides{}, reduced_strides{};
};

Split split(const Reduce& op, const Shape& x) {
  const auto flags = axis_flags(op.axes, x.rank(), "axis");
  const Strides dense = dense_strides(x);
  Split s;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    Shape& to = flags[a] ? s.reduced : s.kept;
    (flags[a] ? s.reduced_strides : s.kept_strides)[0][static_cast<size_t>(to.rank())] = dense[a];
    to.push_back(x[axis]);
  }
  return s;
}

/// What the sum of T is kept in: wide for floats, wrapping for integers.
template <typename T>
using Accumulator = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

template <typename T, typename F>
Accumulator<T> fold(const Rows& rows, const Split& s, const T* x, Accumulator<T> start, F f) {
  Accumulator<T> value = start;
  const int64_t length = rows.length(), step = rows.step(s.reduced_strides[0]);
  for_rows(rows, s.reduced_strides, [&](int64_t, const std::array<int64_t, 1>& at) {
    for (int64_t i = 0; i < length; ++i) value = f(value, x[at[0] + i * step]);
  });
  return value;
}

template <typename T>
T extreme(const Rows& rows, const Split& s, const T* x, bool largest) {
  T best = x[0];
  const int64_t length = rows.length(), step = rows.step(s.reduced_strides[0]);
  for_rows(rows, s.reduced_strides, [&](int64_t, const std::array<int64_t, 1>& at) {
    for (int64_t i = 0; i < length; ++i) {
      const T v = x[at[0] + i * step];
      if ((largest ? v > best : v < best) || is_nan(v)) best = v;  // NaN wins
    }
  });
  return best;
}

template <typename T>
T reduce_one(ReduceKind kind, const Rows& rows, const Split& s, const T* x) {
  using Wide = Accumulator<T>;
  const auto wide = [](T v) { return static_cast<Wide>(v); };
  switch (kind) {
    case ReduceKind::kMax: return extreme(rows, s, x, true);
    case ReduceKind::kMin: return extreme(rows, s, x, false);
    case ReduceKind::kProd:
      return static_cast<T>(fold(rows, s, x, Wide{1}, [&](Wide v, T e) { return v * wide(e); }));
    default: break;
  }
  const Wide sum = fold(rows, s, x, Wide{0}, [&](Wide v, T e) { return v + wide(e); });
  if (kind == ReduceKind::kSum) return static_cast<T>(sum);
  const int64_t count = s.reduced.volume();
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(sum / static_cast<double>(count));
  } else {
    return count == 0 ? 0 : static_cast<T>(static_cast<int64_t>(sum) / count);
  }
}

template <typename T>
void reduce(const Reduce& op, const TensorView& in, const MutableTensorView& out) {
  Split s = split(op, in.shape);
  s.kept.push_back(1);  // a row an output
  const Rows outputs{s.kept}, rows{s.reduced};
  parallel_for(outputs.count(), grain_for(s.reduced.volume() * 2),
               [&](int64_t begin, int64_t end, int) {
                 for_rows(outputs, s.kept_strides, begin, end,
                          [&](int64_t row, const std::array<int64_t, 1>& at) {
                            out.as<T>()[row] = reduce_one(op.kind, rows, s, in.as<T>() + at[0]);
                          });
               });
}

}  // namespace

Inferred infer_op(const Reduce& op, Infos in) {
  require_inputs(in, {"x"});
  require_type(in, 0, {DataType::kFloat32, DataType::kInt32, DataType::kInt64});
  const Shape& x = in[0].shape;
  const auto flags = axis_flags(op.axes, x.rank(), "axis");
  Shape out;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (!flags[static_cast<size_t>(axis)]) {
      out.push_back(x[axis]);
      continue;
    }
    check(x[axis] != 0 || op.kind == ReduceKind::kSum || op.kind == ReduceKind::kProd,
          ErrorCode::kInvalidArgument, "the {} over the empty axis {} of {} is not defined",
          name_of(op.kind), axis, x.to_string());
    if (op.keep_dims) out.push_back(1);
  }
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const Reduce& op, Views in, Outs out) {
  switch (in[0].type) {
    case DataType::kInt32: return reduce<int32_t>(op, in[0], out[0]);
    case DataType::kInt64: return reduce<int64_t>(op, in[0], out[0]);
    default: return reduce<float>(op, in[0], out[0]);
  }
}

}  // namespace octile
