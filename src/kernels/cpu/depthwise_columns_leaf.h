// Interleaving of input columns for depthwise_leaf.h: bytes of four rows that lie in one lane of a
// product afterwards. depthwise_kernel.h has the picture and the two orders of channels.
#pragma once

#include "kernels/cpu/depthwise_kernel.h"

namespace octile {
namespace {

enum class Order { kParts, kStraight };

/// Interleaves one column of the input.
template <typename I, int kLanes, Order kOrder>
inline void interleave_column(const DepthwiseBlock& b, int64_t groups, int64_t column,
                              typename I::V* to) {
  using V = typename I::V;
  if (column < 0 || column >= b.width) {
    const V outside = I::prepare(I::set8(b.padding));
    for (int64_t i = 0; i < 4 * groups; ++i) to[i] = outside;
    return;
  }
  const uint8_t* const* rows = b.rows;
  const int64_t offset = b.channel + column * b.pixel;
#pragma GCC unroll 2
  for (int64_t g = 0; g < groups; ++g, rows += 4 * kLanes, to += 4) {
    V x[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      x[i] = I::prepare(I::template load_slot<kLanes>(rows + i * kLanes, offset));
      if (kOrder == Order::kStraight) x[i] = I::spread(x[i]);
    }
    const V low01 = I::low8(x[0], x[1]), high01 = I::high8(x[0], x[1]);
    const V low23 = I::low8(x[2], x[3]), high23 = I::high8(x[2], x[3]);
    to[0] = I::low16(low01, low23);
    to[1] = I::high16(low01, low23);
    to[2] = I::low16(high01, high23);
    to[3] = I::high16(high01, high23);
  }
}

/// Interleaves columns [first, last) of the input, the first one to `to`.
template <typename I, int kLanes, Order kOrder>
__attribute__((noinline)) void interleave(const DepthwiseBlock& b, int64_t first, int64_t last,
                                          typename I::V* to) {
  for (; first < last; ++first, to += 4 * b.groups) {
    interleave_column<I, kLanes, kOrder>(b, b.groups, first, to);
  }
}

/// Columns still to be interleaved for tiles to come.
template <typename I, int kLanes, Order kOrder>
struct Columns {
  int64_t next, end;  // input columns
  typename I::V* to;
  void interleave_one(const DepthwiseBlock& b, int64_t groups) {
    if (next >= end) return;
    interleave_column<I, kLanes, kOrder>(b, groups, next, to);
    ++next;
    to += 4 * groups;
  }
};

/// A window's extents along the row where the compiler shall know them; zeros: the block's.
template <int kWide, int kGroups, int kStride>
struct Extents {
  static int64_t kernel(const DepthwiseBlock& b) { return kWide ? kWide : b.kernel; }
  static int64_t groups(const DepthwiseBlock& b) { return kGroups ? kGroups : b.groups; }
  static int64_t stride(const DepthwiseBlock& b) { return kStride ? kStride : b.stride; }
  static int64_t dilation(const DepthwiseBlock& b) { return kWide ? 1 : b.dilation; }
  static bool match(const DepthwiseBlock& b) {
    return b.kernel == kWide && b.groups == kGroups && b.stride == kStride && b.dilation == 1;
  }
};

}  // namespace
}  // namespace octile
