// Softmax over several axes taken together: e^(x − max) / Σ e^(x − max), exponentials and sum in
// binary64 in row-major order.
#include <cmath>

#include "base/parallel_for.h"
#include "ops/families.h"
#include "ops/rows.h"
#include "ops/sum_tile.h"

namespace octile {
namespace {

struct AxisSplit {
  Shape outer, inner;  // outer has a last axis of 1: a row a softmax
  std::array<Strides, 1> outer_strides{}, inner_strides{};
};

AxisSplit split(const Softmax& op, const Shape& x) {
  const auto flags = axis_flags(op.axes, x.rank(), "axis");
  const Strides dense = dense_strides(x);
  AxisSplit s;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    Shape& to = flags[a] ? s.inner : s.outer;
    (flags[a] ? s.inner_strides : s.outer_strides)[0][static_cast<size_t>(to.rank())] = dense[a];
    to.push_back(x[axis]);
  }
  s.outer.push_back(1);
  return s;
}

/// Calls f(offset) for the elements of one softmax.
template <typename F>
void for_inner(const Rows& rows, const AxisSplit& s, F&& f) {
  const int64_t length = rows.length(), step = rows.step(s.inner_strides[0]);
  for_rows(rows, s.inner_strides, [&](int64_t, const std::array<int64_t, 1>& at) {
    for (int64_t i = 0; i < length; ++i) f(at[0] + i * step);
  });
}

void softmax(const Rows& rows, const AxisSplit& s, const float* x, float* y) {
  float largest = -std::numeric_limits<float>::infinity();
  for_inner(rows, s, [&](int64_t i) { largest = x[i] > largest ? x[i] : largest; });
  const auto exponential = [&](int64_t i) {
    return std::exp(static_cast<double>(x[i]) - static_cast<double>(largest));
  };
  double sum = 0.0;
  for_inner(rows, s, [&](int64_t i) {
    const double e = exponential(i);
    y[i] = static_cast<float>(e);
    sum += e;
  });
  for_inner(rows, s,
            [&](int64_t i) { y[i] = static_cast<float>(static_cast<double>(y[i]) / sum); });
}

}  // namespace

Inferred infer_op(const Softmax& op, Infos in) {
  require_inputs(in, {"x"});
  require_type(in, 0, {DataType::kFloat32});
  check(!op.axes.empty(), ErrorCode::kInvalidArgument, "needs at least one axis");
  axis_flags(op.axes, in[0].shape.rank(), "axis");
  return {{DataType::kFloat32, in[0].shape, nullptr}};
}

void evaluate_op(const Softmax& op, Views in, Outs out) {
  const AxisSplit s = split(op, in[0].shape);
  const Rows outer{s.outer}, inner{s.inner};
  parallel_for(
      outer.count(), grain_for(s.inner.volume() * 20), [&](int64_t begin, int64_t end, int) {
        for_rows(outer, s.outer_strides, begin, end,
                 [&](int64_t, const std::array<int64_t, 1>& at) {
                   softmax(inner, s, in[0].as<float>() + at[0], out[0].as<float>() + at[0]);
                 });
      });
}

}  // namespace octile
