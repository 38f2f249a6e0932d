// Scale: (x · scale + shift)^power, each parameter uniform, per channel or elementwise.
#include <cmath>

#include "base/parallel_for.h"
#include "ops/families.h"
#include "ops/rows.h"
#include "ops/sum_tile.h"

namespace octile {
namespace {

bool is_uniform(const Shape& shape) { return shape.rank() == 0 || shape == Shape{1}; }

/// x's shape without the batch.
bool is_elementwise(const Shape& shape, const Shape& x) {
  if (shape.rank() != x.rank() - 1) return false;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (!may_equal(shape[axis], x[axis + 1])) return false;
  }
  return true;
}

bool is_per_channel(const Shape& shape, const Shape& x, int64_t axis) {
  return shape.rank() == 1 && axis < x.rank() && may_equal(shape[0], x[static_cast<int>(axis)]);
}

Strides parameter_strides(const Shape& shape, const Shape& x, int64_t axis) {
  Strides strides{};
  if (is_per_channel(shape, x, axis)) {
    strides[static_cast<size_t>(axis)] = 1;
  } else if (!is_uniform(shape)) {
    strides = dense_strides(x);
    strides[0] = 0;
  }
  return strides;
}

}  // namespace

Inferred infer_op(const Scale& op, Infos in) {
  const int wanted = 1 + op.has_scale + op.has_shift + op.has_power;
  check(static_cast<int>(in.size()) == wanted, ErrorCode::kInvalidArgument,
        "got {} inputs, but has_scale={}, has_shift={}, has_power={} need {}: x, then those in "
        "this order",
        in.size(), op.has_scale, op.has_shift, op.has_power, wanted);
  for (int i = 0; i < wanted; ++i) require_type(in, i, {DataType::kFloat32});
  const Shape& x = in[0].shape;
  const int64_t axis = x.rank() == 0 ? 0 : resolve_axis(op.axis, x.rank(), "axis");
  for (size_t i = 1; i < in.size(); ++i) {
    const Shape& shape = in[i].shape;
    check(is_uniform(shape) || is_per_channel(shape, x, axis) || is_elementwise(shape, x),
          ErrorCode::kInvalidArgument,
          "parameter {} has shape {}, but for x of shape {} it must be () or ({}) along axis {} or "
          "x's shape without batch",
          i, shape.to_string(), x.to_string(), axis < x.rank() ? x[static_cast<int>(axis)] : 1,
          axis);
  }
  return {{DataType::kFloat32, x, nullptr}};
}

void evaluate_op(const Scale& op, Views in, Outs out) {
  static constexpr float kOne = 1.0f, kZero = 0.0f;
  const Shape& x = in[0].shape;
  const int64_t axis = x.rank() == 0 ? 0 : resolve_axis(op.axis, x.rank(), "axis");
  const Rows rows{x};
  std::array<Strides, 3> strides{};
  std::array<const float*, 3> parameters{&kOne, &kZero, &kOne};
  const std::array<bool, 3> has{op.has_scale, op.has_shift, op.has_power};
  size_t next = 1;
  for (size_t p = 0; p < 3; ++p) {
    if (!has[p]) continue;
    parameters[p] = in[next].as<float>();
    strides[p] = parameter_strides(in[next].shape, x, axis);
    ++next;
  }
  const int64_t length = rows.length();
  const std::array<int64_t, 3> step{rows.step(strides[0]), rows.step(strides[1]),
                                    rows.step(strides[2])};
  parallel_for(rows.count(), grain_for(length * 4), [&](int64_t begin, int64_t end, int) {
    for_rows(rows, strides, begin, end, [&](int64_t row, const std::array<int64_t, 3>& at) {
      const float* from = in[0].as<float>() + row * length;
      float* to = out[0].as<float>() + row * length;
      const float *scale = parameters[0] + at[0], *shift = parameters[1] + at[1],
                  *power = parameters[2] + at[2];
      for (int64_t i = 0; i < length; ++i) {
        to[i] = from[i] * scale[i * step[0]] + shift[i * step[1]];
      }
      for (int64_t i = 0; op.has_power && i < length; ++i) {
        to[i] = static_cast<float>(
            std::pow(static_cast<double>(to[i]), static_cast<double>(power[i * step[2]])));
      }
    });
  });
}

}  // namespace octile
