// Slice: start, size and stride on some axes, strides of either sign, any type. An absent stride is
// 1; an absent size is "to the end".
#include <algorithm>

#include "ops/families.h"
#include "ops/rows.h"

namespace octile {
namespace {

struct AxisSlice {
  int64_t start, size, stride;
};

AxisSlice axis_slice(const Slice& op, size_t i, int64_t extent) {
  AxisSlice s{op.start[i], op.size.empty() ? -1 : op.size[i], op.stride.empty() ? 1 : op.stride[i]};
  if (extent == kDynamic) return s;
  if (s.start < 0) s.start += extent;
  if (s.size == -1) {
    s.size = s.stride > 0 ? std::max<int64_t>(0, (extent - s.start + s.stride - 1) / s.stride)
                          : s.start / -s.stride + 1;
  }
  return s;
}

int sliced_axis(const Slice& op, size_t i, int rank) {
  return static_cast<int>(op.axes.empty() ? static_cast<int64_t>(i)
                                          : resolve_axis(op.axes[i], rank, "axis"));
}

void require_lists(const Slice& op, int rank) {
  const size_t count = op.axes.empty() ? static_cast<size_t>(rank) : op.axes.size();
  axis_flags(op.axes, rank, "axis");
  check(op.start.size() == count && (op.size.empty() || op.size.size() == count) &&
            (op.stride.empty() || op.stride.size() == count),
        ErrorCode::kInvalidArgument,
        "start, size and stride have {}, {} and {} entries, but {} axes are sliced",
        op.start.size(), op.size.size(), op.stride.size(), count);
  for (size_t i = 0; i < count; ++i) {
    const int64_t stride = op.stride.empty() ? 1 : op.stride[i];
    check(stride != 0 && in_reach(stride) && in_reach(op.start[i]), ErrorCode::kInvalidArgument,
          "start {} or stride {} is out of range", op.start[i], stride);
    const int64_t size = op.size.empty() ? -1 : op.size[i];
    check(size >= -1 && in_reach(size), ErrorCode::kInvalidArgument,
          "size {} is out of range; -1 means to the end", size);
  }
}

}  // namespace

Inferred infer_op(const Slice& op, Infos in) {
  require_inputs(in, {"x"});
  const Shape& x = in[0].shape;
  require_lists(op, x.rank());
  Shape out = x;
  for (size_t i = 0; i < op.start.size(); ++i) {
    const int axis = sliced_axis(op, i, x.rank());
    const AxisSlice s = axis_slice(op, i, x[axis]);
    if (x[axis] == kDynamic) {
      out[axis] = s.size == -1 ? kDynamic : s.size;
      continue;
    }
    const int64_t last = s.start + (s.size - 1) * s.stride;
    const bool empty = s.size == 0 && s.start >= 0 && s.start <= x[axis];
    const bool inside = s.start >= 0 && s.start < x[axis] && last >= 0 && last < x[axis];
    check(empty || (s.size > 0 && inside), ErrorCode::kInvalidArgument,
          "on axis {} of {} start {}, size {}, stride {} reach outside the extent {}", axis,
          x.to_string(), op.start[i], s.size, s.stride, x[axis]);
    out[axis] = s.size;
  }
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const Slice& op, Views in, Outs out) {
  const Shape& x = in[0].shape;
  std::array<Strides, 1> strides{dense_strides(x)};
  int64_t base = 0;
  for (size_t i = 0; i < op.start.size(); ++i) {
    const int axis = sliced_axis(op, i, x.rank());
    const AxisSlice s = axis_slice(op, i, x[axis]);
    int64_t& stride = strides[0][static_cast<size_t>(axis)];
    base += s.start * stride;
    stride *= s.stride;
  }
  const Rows rows{out[0].shape};
  by_size(in[0].type, [&](auto tag) {
    using T = decltype(tag);
    const int64_t length = rows.length(), step = rows.step(strides[0]);
    for_rows(rows, strides, [&](int64_t row, const std::array<int64_t, 1>& at) {
      const T* from = in[0].as<T>() + base + at[0];
      T* to = out[0].as<T>() + row * length;
      if (step == 1) {
        std::copy_n(from, length, to);
      } else {
        for (int64_t j = 0; j < length; ++j) to[j] = from[j * step];
      }
    });
  });
}

}  // namespace octile
