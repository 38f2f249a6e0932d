// Ops whose extents are the values of their inputs: ShapeOf (where such values come from),
// Counting, Expand, ReshapeTo, SliceBetween. Extents are kDynamic until those values are known.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/families.h"
#include "ops/rows.h"

namespace octile {
namespace {

void require_list(Infos in, int index, std::string_view what) {
  require_type(in, index, {DataType::kInt64});
  const Shape& shape = in[static_cast<size_t>(index)].shape;
  check(shape.rank() == 1 && shape[0] >= 0 && shape[0] <= kMaxRank, ErrorCode::kInvalidArgument,
        "its {} {} must be a list of at most {}", what, shape.to_string(), kMaxRank);
}

template <typename T>
int64_t count_of(const TensorView& start, const TensorView& limit, const TensorView& delta) {
  const T from = *start.as<T>(), to = *limit.as<T>(), by = *delta.as<T>();
  check(by != T{0}, ErrorCode::kInvalidArgument, "it counts by 0");
  const double steps =
      std::ceil((static_cast<double>(to) - static_cast<double>(from)) / static_cast<double>(by));
  check(steps <= static_cast<double>(kMostExtent), ErrorCode::kInvalidArgument,
        "it counts from {} to {} by {}", from, to, by);
  return steps > 0.0 ? static_cast<int64_t>(steps) : 0;
}

template <typename F>
auto by_number(DataType type, F&& f) {
  if (type == DataType::kFloat32) return f(float{});
  if (type == DataType::kInt32) return f(int32_t{});
  return f(int64_t{});
}

/// first, then `size` elements `stride` apart.
struct Span {
  int64_t first, size;
};

Span span_of(int64_t start, int64_t end, int64_t stride, int64_t extent) {
  const bool up = stride > 0;
  const int64_t low = up ? 0 : -1, high = up ? extent : extent - 1;
  const auto bound = [&](int64_t v) {
    return v < -extent ? low : std::clamp(v < 0 ? v + extent : v, low, high);
  };
  const int64_t from = bound(start), to = bound(end), distance = up ? to - from : from - to;
  const int64_t step = std::abs(stride);
  return {from, distance > 0 ? (distance + step - 1) / step : 0};
}

}  // namespace

Inferred infer_op(const ShapeOf&, Infos in) {
  require_inputs(in, {"x"});
  return {{DataType::kInt64, Shape{in[0].shape.rank()}, nullptr}};
}

void evaluate_op(const ShapeOf&, Views in, Outs out) {
  std::copy(in[0].shape.begin(), in[0].shape.end(), out[0].as<int64_t>());
}

Inferred infer_op(const Counting&, Infos in) {
  require_inputs(in, {"start", "limit", "delta"});
  require_type(in, 0, {DataType::kFloat32, DataType::kInt32, DataType::kInt64});
  require_same_types(in);
  bool sure = true;
  for (const TensorInfo& number : in) {
    check(!number.shape.is_static() || number.shape.volume() == 1, ErrorCode::kInvalidArgument,
          "start, limit and delta must be one number each, not {}", number.shape.to_string());
    sure = sure && known(number).data != nullptr;
  }
  const int64_t count = !sure ? kDynamic : by_number(in[0].type, [&](auto tag) {
    return count_of<decltype(tag)>(known(in[0]), known(in[1]), known(in[2]));
  });
  return {{in[0].type, Shape{count}, nullptr}};
}

void evaluate_op(const Counting&, Views in, Outs out) {
  by_number(in[0].type, [&](auto tag) {
    using T = decltype(tag);
    const T start = *in[0].as<T>(), delta = *in[2].as<T>();
    for (int64_t i = 0; i < out[0].shape[0]; ++i) {
      out[0].as<T>()[i] = static_cast<T>(start + static_cast<T>(i) * delta);
    }
  });
}

Inferred infer_op(const Expand&, Infos in) {
  require_inputs(in, {"x", "extents"});
  require_list(in, 1, "extents");
  const Shape& x = in[0].shape;
  if (const TensorView extents = known(in[1]); extents.data != nullptr) {
    const Shape to{integers_of(extents)};
    check(std::all_of(to.begin(), to.end(), [](int64_t e) { return e >= 0 && e <= kMostExtent; }),
          ErrorCode::kInvalidArgument, "it expands to {}", to.to_string());
    return {{in[0].type, broadcast(x, to), nullptr}};
  }
  const auto rank = std::max<size_t>(size_t(x.rank()), size_t(in[1].shape[0]));
  return {{in[0].type, Shape(std::vector<int64_t>(rank, kDynamic)), nullptr}};
}

void evaluate_op(const Expand&, Views in, Outs out) {
  const Rows rows{out[0].shape};
  const std::array<Strides, 1> strides{broadcast_strides(in[0].shape, out[0].shape)};
  by_size(in[0].type, [&](auto tag) {
    using T = decltype(tag);
    const int64_t length = rows.length(), step = rows.step(strides[0]);
    for_rows(rows, strides, [&](int64_t row, const std::array<int64_t, 1>& at) {
      for (int64_t i = 0; i < length; ++i) {
        out[0].as<T>()[row * length + i] = in[0].as<T>()[at[0] + i * step];
      }
    });
  });
}

Inferred infer_op(const ReshapeTo& op, Infos in) {
  require_inputs(in, {"x", "extents"});
  require_list(in, 1, "extents");
  const TensorView extents = known(in[1]);
  if (extents.data == nullptr) {
    return {{in[0].type, Shape(std::vector<int64_t>(size_t(in[1].shape[0]), kDynamic)), nullptr}};
  }
  Shuffle shuffle;
  shuffle.has_reshape = true;
  shuffle.dims = integers_of(extents);
  shuffle.zero_is_placeholder = op.zero_is_placeholder;
  return infer_op(shuffle, in.first(1));
}

void evaluate_op(const ReshapeTo&, Views in, Outs out) {
  const auto bytes = static_cast<size_t>(in[0].shape.volume()) * size_of(in[0].type);
  if (bytes > 0) std::memcpy(out[0].data, in[0].data, bytes);
}

Inferred infer_op(const SliceBetween& op, Infos in) {
  require_inputs(in, {"x", "start", "end"});
  require_list(in, 1, "start");
  require_list(in, 2, "end");
  const auto count = static_cast<int64_t>(op.axes.size());
  check(in[1].shape[0] == count && in[2].shape[0] == count &&
            static_cast<int64_t>(op.stride.size()) == count,
        ErrorCode::kInvalidArgument, "start {}, end {} and {} strides are for {} axes",
        in[1].shape.to_string(), in[2].shape.to_string(), op.stride.size(), count);
  const int rank = in[0].shape.rank();
  if (count > 0) axis_flags(op.axes, rank, "axis");
  const TensorView start = known(in[1]), end = known(in[2]);
  Shape out = in[0].shape;
  for (size_t i = 0; i < op.axes.size(); ++i) {
    check(op.stride[i] != 0 && in_reach(op.stride[i]), ErrorCode::kInvalidArgument,
          "the stride {} is out of range", op.stride[i]);
    int64_t& extent = out[static_cast<int>(resolve_axis(op.axes[i], rank, "axis"))];
    const bool sure = start.data != nullptr && end.data != nullptr && extent != kDynamic;
    extent = sure ? span_of(start.as<int64_t>()[i], end.as<int64_t>()[i], op.stride[i], extent).size
                  : kDynamic;
  }
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const SliceBetween& op, Views in, Outs out) {
  Slice slice{op.axes, {}, {}, op.stride};
  const Shape& x = in[0].shape;
  for (size_t i = 0; i < op.axes.size(); ++i) {
    const int64_t extent = x[static_cast<int>(resolve_axis(op.axes[i], x.rank(), "axis"))];
    const Span span = span_of(in[1].as<int64_t>()[i], in[2].as<int64_t>()[i], op.stride[i], extent);
    slice.start.push_back(std::max<int64_t>(span.first, 0));
    slice.size.push_back(span.size);
  }
  if (out[0].shape.volume() == 0) return;
  if (op.axes.empty()) return evaluate_op(Identity{}, in.first(1), out);
  evaluate_op(slice, in.first(1), out);
}

}  // namespace octile
