// Walking several tensors at once, row by row, with one stride an axis each: what broadcasting,
// transposes, slices and reductions have in common. Nothing here allocates.
#pragma once

#include <array>
#include <cstdint>

#include "octile/types.h"

namespace octile {

/// Distance in elements between neighbours along each axis; 0 repeats.
using Strides = std::array<int64_t, kMaxRank>;

inline Strides dense_strides(const Shape& shape) {
  Strides strides{};
  int64_t step = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<size_t>(axis)] = step;
    step *= shape[axis];
  }
  return strides;
}

/// Strides of a dense tensor of `shape` when it is read as one of shape `to` (NumPy rules).
inline Strides broadcast_strides(const Shape& shape, const Shape& to) {
  const Strides dense = dense_strides(shape);
  Strides strides{};
  const int shift = to.rank() - shape.rank();
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    if (shape[axis] != 1) strides[a + static_cast<size_t>(shift)] = dense[a];
  }
  return strides;
}

/// Rows of a walk over `shape`: a row is the last axis, a scalar is one row of one element.
struct Rows {
  Shape shape;
  int64_t length() const { return shape.rank() == 0 ? 1 : shape[shape.rank() - 1]; }
  int64_t count() const {
    int64_t count = 1;
    for (int axis = 0; axis + 1 < shape.rank(); ++axis) count *= shape[axis];
    return length() == 0 ? 0 : count;
  }
  /// The stride inside a row.
  int64_t step(const Strides& strides) const {
    return shape.rank() == 0 ? 0 : strides[static_cast<size_t>(shape.rank() - 1)];
  }
};

/// Calls body(row, offsets) for rows [begin, end) in order; offsets[i] is where the row starts in
/// operand i.
template <size_t N, typename Body>
void for_rows(const Rows& rows, const std::array<Strides, N>& strides, int64_t begin, int64_t end,
              Body&& body) {
  const int outer = rows.shape.rank() - 1;
  std::array<int64_t, kMaxRank> index{};
  std::array<int64_t, N> offsets{};
  int64_t rest = begin;
  for (int axis = outer - 1; axis >= 0 && begin < end; --axis) {
    const auto a = static_cast<size_t>(axis);
    index[a] = rest % rows.shape[axis];
    rest /= rows.shape[axis];
    for (size_t i = 0; i < N; ++i) offsets[i] += index[a] * strides[i][a];
  }
  for (int64_t row = begin; row < end; ++row) {
    body(row, offsets);
    for (int axis = outer - 1; axis >= 0; --axis) {
      const auto a = static_cast<size_t>(axis);
      const bool wraps = ++index[a] == rows.shape[axis];
      for (size_t i = 0; i < N; ++i) {
        offsets[i] += wraps ? -(rows.shape[axis] - 1) * strides[i][a] : strides[i][a];
      }
      if (!wraps) break;
      index[a] = 0;
    }
  }
}

template <size_t N, typename Body>
void for_rows(const Rows& rows, const std::array<Strides, N>& strides, Body&& body) {
  for_rows(rows, strides, 0, rows.count(), body);
}

}  // namespace octile
