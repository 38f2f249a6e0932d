// Inside of ops/: one infer_op and one evaluate_op an op, overloaded on the attribute struct, and
// the few checks that they share. dispatch.cc turns infer() and evaluate() into these.
#pragma once

#include <array>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "ops/ops.h"

namespace octile {

using Infos = std::span<const TensorInfo>;
using Inferred = std::vector<TensorInfo>;
using Views = std::span<const TensorView>;
using Outs = std::span<const MutableTensorView>;

#define OCTILE_DECLARE_OP(Struct)                \
  Inferred infer_op(const Struct& op, Infos in); \
  void evaluate_op(const Struct& op, Views in, Outs out);
OCTILE_DECLARE_OP(Convolution)
OCTILE_DECLARE_OP(Deconvolution)
OCTILE_DECLARE_OP(Activation)
OCTILE_DECLARE_OP(Pooling)
OCTILE_DECLARE_OP(Scale)
OCTILE_DECLARE_OP(Elementwise)
OCTILE_DECLARE_OP(Unary)
OCTILE_DECLARE_OP(Reduce)
OCTILE_DECLARE_OP(MatrixMultiply)
OCTILE_DECLARE_OP(Constant)
OCTILE_DECLARE_OP(Shuffle)
OCTILE_DECLARE_OP(Concatenation)
OCTILE_DECLARE_OP(Slice)
OCTILE_DECLARE_OP(Padding)
OCTILE_DECLARE_OP(Softmax)
OCTILE_DECLARE_OP(TopK)
OCTILE_DECLARE_OP(Gather)
OCTILE_DECLARE_OP(Resize)
OCTILE_DECLARE_OP(Select)
OCTILE_DECLARE_OP(Cast)
OCTILE_DECLARE_OP(Identity)
OCTILE_DECLARE_OP(Quantize)
OCTILE_DECLARE_OP(Dequantize)
OCTILE_DECLARE_OP(GatherElements)
OCTILE_DECLARE_OP(GatherNd)
OCTILE_DECLARE_OP(ScatterElements)
OCTILE_DECLARE_OP(ScatterNd)
OCTILE_DECLARE_OP(PoolingIndices)
OCTILE_DECLARE_OP(GridSample)
OCTILE_DECLARE_OP(RoiAlign)
OCTILE_DECLARE_OP(CumulativeSum)
OCTILE_DECLARE_OP(Determinant)
OCTILE_DECLARE_OP(Recurrent)
OCTILE_DECLARE_OP(Fourier)
OCTILE_DECLARE_OP(NonZero)
OCTILE_DECLARE_OP(Compress)
OCTILE_DECLARE_OP(Unique)
OCTILE_DECLARE_OP(NonMaxSuppression)
OCTILE_DECLARE_OP(ShapeOf)
OCTILE_DECLARE_OP(Counting)
OCTILE_DECLARE_OP(Expand)
OCTILE_DECLARE_OP(ReshapeTo)
OCTILE_DECLARE_OP(SliceBetween)
OCTILE_DECLARE_OP(TopKOf)
#undef OCTILE_DECLARE_OP

/// `inputs` names them for the message, in order; the last `optional` may be missing.
void require_inputs(Infos in, std::initializer_list<std::string_view> inputs, int optional = 0);
/// Input `index` has one of the types, else an error saying so.
void require_type(Infos in, int index, std::initializer_list<DataType> types);
/// Every input has input 0's type.
void require_same_types(Infos in);
/// The elements of an input where they are known (as those of an empty one always are), else data
/// is null.
inline TensorView known(const TensorInfo& info) {
  static constexpr uint64_t kNothing = 0;
  if (!info.shape.is_static()) return {info.type, info.shape, nullptr};
  return {info.type, info.shape, info.shape.volume() == 0 ? &kNothing : info.value.data};
}
/// Its elements as integers; REQUIRES: known, int32 or int64.
std::vector<int64_t> integers_of(const TensorView& view);
/// The axis in [0, rank): negative ones count from the end. `what` is for the message.
int64_t resolve_axis(int64_t axis, int rank, std::string_view what);
/// flags[a] is true for every axis listed; refuses repeats and axes outside. All when empty.
std::array<bool, kMaxRank> axis_flags(const std::vector<int64_t>& axes, int rank,
                                      std::string_view what);
/// A dense tensor as outer × slices × inner, cut along an axis (−1: one slice).
struct Slices {
  int64_t outer = 1, slices = 1, inner = 1;
  int64_t count() const { return outer * slices; }
};

inline Slices slices_of(const Shape& shape, int64_t axis) {
  Slices s;
  for (int a = 0; a < shape.rank(); ++a) {
    (axis < 0 || a > axis ? s.inner : a < axis ? s.outer : s.slices) *= shape[a];
  }
  return s;
}

/// "5, 5": for messages. (Not fmt::join: GCC 12 warns inside fmt 9 about it at -O3.)
std::string listed(const std::vector<int64_t>& values);
/// Attributes beyond this are refused, so that sums and products of two of them cannot overflow.
inline constexpr int64_t kMostExtent = int64_t{1} << 31;
inline bool in_reach(int64_t value) { return value >= -kMostExtent && value <= kMostExtent; }
/// a == b, or one of them is not known.
inline bool may_equal(int64_t a, int64_t b) { return a == b || a == kDynamic || b == kDynamic; }

/// False for integers.
template <typename T>
constexpr bool is_nan(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    return __builtin_isnan(value);
  } else {
    return false;
  }
}

/// Calls f with a value of the unsigned type that has as many bytes: for moving data about.
template <typename F>
void by_size(DataType type, F&& f) {
  switch (size_of(type)) {
    case 1: return f(uint8_t{});
    case 2: return f(uint16_t{});
    case 4: return f(uint32_t{});
    default: return f(uint64_t{});
  }
}

}  // namespace octile
