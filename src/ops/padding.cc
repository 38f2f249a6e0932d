// Padding: constant, reflect (without repeating the edge) and edge, any type. The constant is
// converted to the tensor's type (integers: rounded and saturated), so on quantized data it is a
// quantized value. Halves can be padded with zero only.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ops/families.h"
#include "ops/rows.h"

namespace octile {
namespace {

/// Where element `o` of an axis comes from, or −1 for the constant.
int64_t source(PaddingKind kind, int64_t o, int64_t before, int64_t extent) {
  int64_t i = o - before;
  if (i >= 0 && i < extent) return i;
  if (kind == PaddingKind::kConstant) return -1;
  if (kind == PaddingKind::kEdge) return std::clamp<int64_t>(i, 0, extent - 1);
  return i < 0 ? -i : 2 * (extent - 1) - i;
}

template <typename T>
T saturated(float value) {
  if (std::isnan(value)) return 0;
  const double rounded = std::nearbyint(static_cast<double>(value));
  if (rounded <= static_cast<double>(std::numeric_limits<T>::min())) {
    return std::numeric_limits<T>::min();
  }
  if (rounded >= static_cast<double>(std::numeric_limits<T>::max())) {
    return std::numeric_limits<T>::max();
  }
  return static_cast<T>(rounded);
}

/// The constant as the bits of one element.
uint64_t constant_bits(DataType type, float value) {
  uint64_t bits = 0;
  const auto put = [&](auto typed) { std::memcpy(&bits, &typed, sizeof(typed)); };
  switch (type) {
    case DataType::kFloat32: put(value); break;
    case DataType::kFloat64: put(static_cast<double>(value)); break;
    case DataType::kInt8: put(saturated<int8_t>(value)); break;
    case DataType::kUInt8: put(saturated<uint8_t>(value)); break;
    case DataType::kInt16: put(saturated<int16_t>(value)); break;
    case DataType::kInt32: put(saturated<int32_t>(value)); break;
    case DataType::kInt64: put(saturated<int64_t>(value)); break;
    case DataType::kBool: put(static_cast<uint8_t>(value != 0.0f)); break;
    case DataType::kFloat16:
    case DataType::kBFloat16: break;
  }
  return bits;
}

template <typename T>
void pad(const Padding& op, const TensorView& in, const MutableTensorView& out, T constant) {
  const Rows rows{out.shape};
  const Strides dense = dense_strides(in.shape);
  const int last = out.shape.rank() - 1;
  const std::array<Strides, 1> unused{};
  std::array<int64_t, kMaxRank> index{};
  const int64_t length = rows.length();
  const int64_t before = last < 0 ? 0 : op.before[static_cast<size_t>(last)];
  const int64_t extent = last < 0 ? 1 : in.shape[last];
  for_rows(rows, unused, [&](int64_t row, const std::array<int64_t, 1>&) {
    int64_t rest = row, base = 0;
    bool constant_row = false;
    for (int axis = last - 1; axis >= 0; --axis) {
      const auto a = static_cast<size_t>(axis);
      index[a] = source(op.kind, rest % out.shape[axis], op.before[a], in.shape[axis]);
      rest /= out.shape[axis];
      constant_row |= index[a] < 0;
      base += index[a] * dense[a];
    }
    T* to = out.as<T>() + row * length;
    if (constant_row) {
      std::fill_n(to, length, constant);
      return;
    }
    const T* from = in.as<T>() + base;
    for (int64_t o = 0; o < length; ++o) {
      const int64_t i = source(op.kind, o, before, extent);
      to[o] = i < 0 ? constant : from[i];
    }
  });
}

}  // namespace

Inferred infer_op(const Padding& op, Infos in) {
  require_inputs(in, {"x"});
  const Shape& x = in[0].shape;
  check(static_cast<int>(op.before.size()) == x.rank() &&
            static_cast<int>(op.after.size()) == x.rank(),
        ErrorCode::kInvalidArgument,
        "before and after have {} and {} entries, but x {} has {} axes", op.before.size(),
        op.after.size(), x.to_string(), x.rank());
  check((in[0].type != DataType::kFloat16 && in[0].type != DataType::kBFloat16) ||
            op.kind != PaddingKind::kConstant || op.value == 0.0f,
        ErrorCode::kInvalidArgument, "{} can be padded with 0 only, not {}; cast it first",
        name_of(in[0].type), op.value);
  Shape out;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const int64_t before = op.before[static_cast<size_t>(axis)];
    const int64_t after = op.after[static_cast<size_t>(axis)];
    check(in_reach(before) && in_reach(after), ErrorCode::kInvalidArgument,
          "padding {} or {} is out of range", before, after);
    check(op.kind == PaddingKind::kConstant || (before >= 0 && after >= 0),
          ErrorCode::kInvalidArgument, "only constant padding may be negative (crop)");
    if (x[axis] == kDynamic) {
      out.push_back(kDynamic);
      continue;
    }
    const int64_t most = op.kind == PaddingKind::kReflect ? x[axis] - 1 : kMostExtent;
    check(op.kind == PaddingKind::kConstant || (before <= most && after <= most && x[axis] > 0) ||
              (before == 0 && after == 0),
          ErrorCode::kInvalidArgument, "on axis {} the extent {} is too small to {} {} and {}",
          axis, x[axis], op.kind == PaddingKind::kReflect ? "reflect" : "repeat", before, after);
    out.push_back(x[axis] + before + after);
    check(out[axis] >= 0, ErrorCode::kInvalidArgument,
          "on axis {} of {} the paddings {} and {} crop more than there is", axis, x.to_string(),
          before, after);
  }
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const Padding& op, Views in, Outs out) {
  const uint64_t bits = constant_bits(in[0].type, op.value);
  by_size(in[0].type, [&](auto tag) {
    decltype(tag) constant;
    std::memcpy(&constant, &bits, sizeof(constant));
    pad(op, in[0], out[0], constant);
  });
}

}  // namespace octile
