// TopK: the k best along an axis, best first, the lower index first among equals; NaN is worst.
#include <algorithm>
#include <vector>

#include "ops/families.h"

namespace octile {
namespace {

/// Is `a` strictly better than `b`? NaN is worse than every number.
template <typename T>
bool better(T a, T b, bool largest) {
  if (is_nan(a)) return false;
  if (is_nan(b)) return true;
  return largest ? a > b : a < b;
}

constexpr int64_t kInsertionMost = 64;

/// One run of values with a stride; writes k values and indices with the same stride.
template <typename T>
void top_by_insertion(const TopK& op, const T* x, int64_t extent, int64_t stride, T* values,
                      int32_t* indices) {
  int64_t held = 0;
  for (int64_t i = 0; i < extent; ++i) {
    const T v = x[i * stride];
    if (held == op.k && (held == 0 || !better(v, values[(held - 1) * stride], op.largest))) {
      continue;
    }
    int64_t place = held < op.k ? held++ : held - 1;
    for (; place > 0 && better(v, values[(place - 1) * stride], op.largest); --place) {
      values[place * stride] = values[(place - 1) * stride];
      indices[place * stride] = indices[(place - 1) * stride];
    }
    values[place * stride] = v;
    indices[place * stride] = static_cast<int32_t>(i);
  }
}

template <typename T>
void top_by_sorting(const TopK& op, const T* x, int64_t extent, int64_t stride, T* values,
                    int32_t* indices) {
  std::vector<int32_t> order(static_cast<size_t>(extent));
  for (int64_t i = 0; i < extent; ++i) order[static_cast<size_t>(i)] = static_cast<int32_t>(i);
  std::partial_sort(order.begin(), order.begin() + op.k, order.end(), [&](int32_t a, int32_t b) {
    const T x_a = x[a * stride], x_b = x[b * stride];
    if (better(x_a, x_b, op.largest)) return true;
    return !better(x_b, x_a, op.largest) && a < b;
  });
  for (int64_t i = 0; i < op.k; ++i) {
    indices[i * stride] = order[static_cast<size_t>(i)];
    values[i * stride] = x[order[static_cast<size_t>(i)] * stride];
  }
}

template <typename T>
void top_k(const TopK& op, const TensorView& in, Outs out) {
  const Shape& shape = in.shape;
  const auto axis = static_cast<int>(resolve_axis(op.axis, shape.rank(), "axis"));
  const auto [outer, extent, stride] = slices_of(shape, axis);
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t s = 0; s < stride; ++s) {
      const T* x = in.as<T>() + o * extent * stride + s;
      T* values = out[0].as<T>() + o * op.k * stride + s;
      int32_t* indices = out[1].as<int32_t>() + o * op.k * stride + s;
      if (op.k <= kInsertionMost) {
        top_by_insertion(op, x, extent, stride, values, indices);
      } else {
        top_by_sorting(op, x, extent, stride, values, indices);
      }
    }
  }
}

}  // namespace

Inferred infer_op(const TopK& op, Infos in) {
  require_inputs(in, {"x"});
  require_type(
      in, 0,
      {DataType::kFloat32, DataType::kInt8, DataType::kUInt8, DataType::kInt32, DataType::kInt64});
  Shape out = in[0].shape;
  const auto axis = static_cast<int>(resolve_axis(op.axis, out.rank(), "axis"));
  check(op.k >= 0 && (out[axis] == kDynamic || op.k <= out[axis]), ErrorCode::kInvalidArgument,
        "k is {}, but axis {} of {} has {} elements", op.k, axis, out.to_string(), out[axis]);
  check(out[axis] <= INT32_MAX, ErrorCode::kUnsupported,
        "axis {} of {} is too long for int32 indices", axis, out.to_string());
  out[axis] = op.k;
  return {{in[0].type, out, nullptr}, {DataType::kInt32, out, nullptr}};
}

void evaluate_op(const TopK& op, Views in, Outs out) {
  switch (in[0].type) {
    case DataType::kInt8: return top_k<int8_t>(op, in[0], out);
    case DataType::kUInt8: return top_k<uint8_t>(op, in[0], out);
    case DataType::kInt32: return top_k<int32_t>(op, in[0], out);
    case DataType::kInt64: return top_k<int64_t>(op, in[0], out);
    default: return top_k<float>(op, in[0], out);
  }
}

Inferred infer_op(const TopKOf& op, Infos in) {
  require_inputs(in, {"x", "k"});
  require_type(in, 1, {DataType::kInt64});
  check(!in[1].shape.is_static() || in[1].shape.volume() == 1, ErrorCode::kInvalidArgument,
        "k {} must be one number", in[1].shape.to_string());
  const TensorView k = known(in[1]);
  Inferred made =
      infer_op(TopK{k.data != nullptr ? *k.as<int64_t>() : 0, op.axis, op.largest}, in.first(1));
  if (k.data != nullptr) return made;
  const auto axis = static_cast<int>(resolve_axis(op.axis, in[0].shape.rank(), "axis"));
  for (TensorInfo& info : made) info.shape[axis] = kDynamic;
  return made;
}

void evaluate_op(const TopKOf& op, Views in, Outs out) {
  evaluate_op(TopK{*in[1].as<int64_t>(), op.axis, op.largest}, in.first(1), out);
}

}  // namespace octile
