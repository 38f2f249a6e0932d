// NonZero and Compress: how many elements go through is known from the values alone.
#include <cstring>

#include "ops/families.h"
#include "ops/rows.h"

namespace octile {
namespace {

/// Calls f(i) for every element that is not zero (NaN is not; −0 is), in order.
template <typename F>
void for_nonzero(const TensorView& x, F&& f) {
  const int64_t count = x.shape.volume();
  const auto visit = [&](auto tag) {
    for (int64_t i = 0; i < count; ++i) {
      if (x.as<decltype(tag)>()[i] != decltype(tag){}) f(i);
    }
  };
  if (x.type == DataType::kFloat32) return visit(float{});
  if (x.type == DataType::kFloat64) return visit(double{});
  by_size(x.type, visit);
}

/// How many slices the condition keeps of an axis of `extent`.
int64_t kept(const TensorView& condition, int64_t extent) {
  int64_t count = 0;
  for_nonzero(condition, [&](int64_t i) { count += i < extent ? 1 : 0; });
  return count;
}

}  // namespace

Inferred infer_op(const NonZero&, Infos in) {
  require_inputs(in, {"x"});
  require_type(in, 0,
               {DataType::kFloat32, DataType::kInt8, DataType::kUInt8, DataType::kInt16,
                DataType::kInt32, DataType::kInt64, DataType::kBool});
  const TensorView x = known(in[0]);
  int64_t count = kDynamic;
  if (x.data != nullptr) {
    count = 0;
    for_nonzero(x, [&](int64_t) { ++count; });
  }
  return {{DataType::kInt64, Shape{std::max(in[0].shape.rank(), 1), count}, nullptr}};
}

void evaluate_op(const NonZero&, Views in, Outs out) {
  const Shape& x = in[0].shape;
  const int64_t count = out[0].shape[1];
  auto* y = out[0].as<int64_t>();
  int64_t column = 0;
  if (x.rank() == 0 && count > 0) y[0] = 0;
  for_nonzero(in[0], [&](int64_t i) {
    if (column == count) return;
    for (int axis = x.rank() - 1; axis >= 0; --axis) {
      y[axis * count + column] = i % x[axis];
      i /= x[axis];
    }
    ++column;
  });
}

Inferred infer_op(const Compress& op, Infos in) {
  require_inputs(in, {"x", "condition"});
  require_type(in, 1, {DataType::kBool});
  check(in[1].shape.rank() == 1, ErrorCode::kInvalidArgument, "the condition {} must be a list",
        in[1].shape.to_string());
  const Shape& x = in[0].shape;
  const TensorView condition = known(in[1]);
  if (op.flat) {
    const bool sure = condition.data != nullptr && x.is_static();
    return {{in[0].type, Shape{sure ? kept(condition, x.volume()) : kDynamic}, nullptr}};
  }
  Shape out = x;
  const auto axis = static_cast<int>(resolve_axis(op.axis, x.rank(), "axis"));
  out[axis] =
      condition.data != nullptr && x[axis] != kDynamic ? kept(condition, x[axis]) : kDynamic;
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const Compress& op, Views in, Outs out) {
  const Shape& x = in[0].shape;
  const int64_t axis = op.flat ? 0 : resolve_axis(op.axis, x.rank(), "axis");
  const Slices s = op.flat ? slices_of(Shape{x.volume()}, 0) : slices_of(x, axis);
  const int64_t run = s.inner * static_cast<int64_t>(size_of(in[0].type));
  auto* to = out[0].as<std::byte>();
  for (int64_t o = 0; o < s.outer; ++o) {
    const auto* from = in[0].as<std::byte>() + o * s.slices * run;
    for_nonzero(in[1], [&](int64_t i) {
      if (i >= s.slices || run == 0) return;
      std::memcpy(to, from + i * run, static_cast<size_t>(run));
      to += run;
    });
  }
}

}  // namespace octile
