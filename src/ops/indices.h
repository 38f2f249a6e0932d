// Indices that come from data (int32 or int64): each is checked before it is used; a negative one
// counts from the end.
#pragma once

#include <utility>

#include "ops/families.h"
#include "ops/rows.h"

namespace octile {

inline int64_t index_at(const TensorView& indices, int64_t i) {
  return indices.type == DataType::kInt64 ? indices.as<int64_t>()[i] : indices.as<int32_t>()[i];
}

/// The index in [0, extent).
inline int64_t checked_index(int64_t index, int64_t extent, int axis) {
  check(index >= -extent && index < extent, ErrorCode::kInvalidArgument,
        "index {} is outside axis {} of extent {}", index, axis, extent);
  return index < 0 ? index + extent : index;
}

/// Rows of k indices, each of which names a slice of `data` by its axes first … first + k − 1.
struct SliceFinder {
  const TensorView& indices;  // (…, k)
  const Shape& data;
  int first;
  int depth = static_cast<int>(indices.shape[indices.shape.rank() - 1]);
  Strides strides = dense_strides(data);

  /// Elements of a slice.
  int64_t run() const {
    int64_t run = 1;
    for (int axis = first + depth; axis < data.rank(); ++axis) run *= data[axis];
    return run;
  }
  /// Where the slice of that row begins, counted from its batch's begin.
  int64_t offset(int64_t row) const {
    int64_t offset = 0;
    for (int j = 0; j < depth; ++j) {
      const int axis = first + j;
      const int64_t index = checked_index(index_at(indices, row * depth + j), data[axis], axis);
      offset += index * strides[static_cast<size_t>(axis)];
    }
    return offset;
  }
};

/// Calls f(i, offset) for every element i of `indices`, in order: `offset` is the element of data
/// at i's own position, but with the entry at `axis` replaced by the index.
template <typename F>
void for_element_indices(const TensorView& indices, const Shape& data, int axis, F&& f) {
  std::array<Strides, 1> strides{dense_strides(data)};
  const int64_t along = std::exchange(strides[0][static_cast<size_t>(axis)], 0);
  const Rows rows{indices.shape};
  const int64_t length = rows.length(), step = rows.step(strides[0]);
  for_rows(rows, strides, [&](int64_t row, const std::array<int64_t, 1>& at) {
    for (int64_t i = 0; i < length; ++i) {
      const int64_t element = row * length + i;
      const int64_t index = checked_index(index_at(indices, element), data[axis], axis);
      f(element, at[0] + i * step + index * along);
    }
  });
}

/// Checks of GatherElements and ScatterElements; the resolved axis.
int require_element_indices(int64_t axis, const Shape& data, const Shape& indices);

}  // namespace octile
