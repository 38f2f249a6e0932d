// The depthwise kernel, written once for all register widths: a policy I gives registers and
// instructions (depthwise_avx512vnni.cc, depthwise_ymm_leaf.h). Leaf files alone include this.
// Start reading at run(); depthwise_kernel.h explains the interleaved columns.
#pragma once

#include "kernels/cpu/depthwise_kernel.h"

namespace octile {
namespace {

/// Interleaves one column of the input.
template <typename I, int kLanes, bool kNarrow>
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
      x[i] = I::prepare(kNarrow ? I::load_narrow(rows + i * kLanes, offset, b.n)
                                : I::template load_slot<kLanes>(rows + i * kLanes, offset));
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
template <typename I, int kLanes, bool kNarrow>
__attribute__((noinline)) void interleave(const DepthwiseBlock& b, int64_t first, int64_t last,
                                          typename I::V* to) {
  for (; first < last; ++first, to += 4 * b.groups) {
    interleave_column<I, kLanes, kNarrow>(b, b.groups, first, to);
  }
}

/// Columns still to be interleaved for tiles to come.
template <typename I, int kLanes>
struct Columns {
  int64_t next, end;  // input columns
  typename I::V* to;
  void interleave_one(const DepthwiseBlock& b, int64_t groups) {
    if (next >= end) return;
    interleave_column<I, kLanes, false>(b, groups, next, to);
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

/// Clamps the int16 values of 64 or 32 channels, makes bytes of them and stores those.
template <typename I>
struct Finish {
  using V = typename I::V;
  V zero, lo, hi, flip;
  explicit Finish(const DepthwiseBlock& b)
      : zero(I::set16(b.plain_zero)),
        lo(I::set8(b.plain_lo)),
        hi(I::set8(b.plain_hi)),
        flip(I::set8(b.plain_flip)) {}
  template <bool kRelu>
  V bytes(V low, V high) const {
    if (kRelu) return I::min8(I::packus16(low, high), hi);
    const V q = I::packus16(I::adds16(low, zero), I::adds16(high, zero));
    return I::bit_xor(I::min8(I::max8(q, lo), hi), flip);
  }
};

/// kPixels output columns of kRows rows; `x` is the first window's first column in scratch. Between
/// its products columns of the next tile are interleaved: the two use different ports.
template <typename I, int kLanes, int kRows, int kPixels, bool kRelu, typename E>
inline void tile(const DepthwiseBlock& b, const typename I::V* x, int64_t column,
                 Columns<I, kLanes>& columns) {
  using V = typename I::V;
  const int64_t taps = E::kernel(b), groups = E::groups(b), dilation = E::dilation(b);
  const int64_t step = E::stride(b) * groups * 4;  // registers from window to window
  V words[kPixels][kRows][2], previous[kPixels][kRows];
  const auto* w = reinterpret_cast<const V*>(b.weights);
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) {
    V acc[kPixels][kRows];
    const V bias = I::load(b.bias + I::kInts * v);
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) acc[p][r] = bias;
    }
#pragma GCC unroll 8
    for (int64_t k = 0; k < taps; ++k) {
#pragma GCC unroll 2
      for (int64_t g = 0; g < groups; ++g, w += kRows) {
#pragma GCC unroll 8
        for (int p = 0; p < kPixels; ++p) {
          const auto four = I::operand(x[p * step + (k * dilation * groups + g) * 4 + v]);
#pragma GCC unroll 2
          for (int r = 0; r < kRows; ++r) acc[p][r] = I::dot(acc[p][r], four, I::load(w + r));
        }
      }
    }
    if (kPixels > 1) {
      const int64_t fresh = kPixels * E::stride(b);
      for (int64_t i = v * fresh / 4; i < (v + 1) * fresh / 4; ++i) {
        columns.interleave_one(b, groups);
      }
    }
    const auto scale = I::load_floats(b.scale + I::kInts * v);
    const auto offset = I::load_floats((kRelu ? b.offset : b.scale) + I::kInts * v);
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        const V q = I::round(kRelu ? I::fused(acc[p][r], scale, offset)
                                   : I::mul(I::to_float(acc[p][r]), scale));
        if (v % 2 == 0) {
          previous[p][r] = q;
        } else {
          words[p][r][v / 2] = I::packs32(previous[p][r], q);
        }
      }
    }
  }
  const Finish<I> finish(b);
#pragma GCC unroll 2
  for (int r = kRows - 1; r >= 0; --r) {
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; ++p) {
      const V bytes = finish.template bytes<kRelu>(words[p][r][0], words[p][r][1]);
      I::template store_lanes<kLanes>(b.out + r * kLanes, b.channel + (column + p) * b.out_pixel,
                                      bytes);
    }
  }
}

template <typename I, int kLanes, int kRows, bool kRelu, typename E>
void rows_of_bytes(const DepthwiseBlock& b, int64_t first, int64_t count) {
  constexpr int kPixels = I::kOutputs / kRows;
  auto* x = reinterpret_cast<typename I::V*>(b.scratch);
  const int64_t stride = E::stride(b), column = E::groups(b) * 4;  // registers of a column
  const int64_t beyond = (E::kernel(b) - 1) * E::dilation(b) + 1 - stride;
  const int64_t begin = first * stride - b.left, end = begin + count * stride + beyond;
  int64_t ready = begin + (count < kPixels ? count : kPixels) * stride + beyond;
  interleave<I, kLanes, false>(b, begin, ready, x);
  Columns<I, kLanes> columns{ready, end, x + (ready - begin) * column};
  int64_t p = 0;
  for (; p + kPixels <= count; p += kPixels) {
    tile<I, kLanes, kRows, kPixels, kRelu, E>(b, x + p * stride * column, first + p, columns);
  }
  for (; p < count; ++p) {
    tile<I, kLanes, kRows, 1, kRelu, E>(b, x + p * stride * column, first + p, columns);
  }
}

using RowsFunction = void (*)(const DepthwiseBlock& b, int64_t first, int64_t count);

template <typename I, int kLanes, bool kRelu>
RowsFunction rows_for(const DepthwiseBlock& b) {
  if (b.out_rows == 2) {
    if (Extents<3, 1, 1>::match(b)) return rows_of_bytes<I, kLanes, 2, kRelu, Extents<3, 1, 1>>;
    if (Extents<5, 2, 1>::match(b)) return rows_of_bytes<I, kLanes, 2, kRelu, Extents<5, 2, 1>>;
    if (Extents<5, 2, 2>::match(b)) return rows_of_bytes<I, kLanes, 2, kRelu, Extents<5, 2, 2>>;
    return rows_of_bytes<I, kLanes, 2, kRelu, Extents<0, 0, 0>>;
  }
  if (Extents<3, 1, 2>::match(b)) return rows_of_bytes<I, kLanes, 1, kRelu, Extents<3, 1, 2>>;
  return rows_of_bytes<I, kLanes, 1, kRelu, Extents<0, 0, 0>>;
}

/// The values of I::kInts channels of one pixel, in their order; n of them are valid.
template <typename I>
inline void store_values(const DepthwiseBlock& b, int64_t at, int64_t offset, int64_t column,
                         typename I::F y) {
  const int64_t n = b.n - offset;
  if (n <= 0) return;
  if (b.residual != nullptr) {
    const uint8_t* from = b.residual[at] + column * b.out_pixel + b.channel + offset;
    const auto q = I::sub32(I::load_bytes(from, n, b.residual_signed), I::set32(b.residual_zero));
    y = I::add(y, I::mul(I::to_float(q), I::set_float(b.residual_multiplier)));
  }
  y = I::min(I::max(y, I::set_float(b.lo)), I::set_float(b.hi));
  uint8_t* out = b.out[at] + column * b.out_pixel;
  if (b.floats) {
    I::store_floats(reinterpret_cast<float*>(out) + b.channel + offset, n, y);
  } else {
    I::store_bytes(out + b.channel + offset, n, I::add32(I::round(y), I::set32(b.zero)));
  }
}

/// Any output type, residual and clamp, pixel by pixel.
template <typename I, int kLanes>
void rows_of_any(const DepthwiseBlock& b, int64_t first, int64_t count) {
  constexpr int64_t kChannels = 4 * I::kInts / kLanes;
  using V = typename I::V;
  const int64_t rows = b.out_rows, begin = first * b.stride - b.left;
  const int64_t end = begin + (count - 1) * b.stride + (b.kernel - 1) * b.dilation + 1;
  if (kLanes == I::kParts && b.n < kChannels) {
    interleave<I, kLanes, kLanes == I::kParts>(b, begin, end, reinterpret_cast<V*>(b.scratch));
  } else {
    interleave<I, kLanes, false>(b, begin, end, reinterpret_cast<V*>(b.scratch));
  }
  for (int64_t p = 0; p < count; ++p) {
    for (int64_t r = rows - 1; r >= 0; --r) {
      const V* w = reinterpret_cast<const V*>(b.weights) + r;
      typename I::F y[4], part[4];
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        const V* x = reinterpret_cast<const V*>(b.scratch) + p * b.stride * b.groups * 4 + v;
        V acc = I::load(b.bias + I::kInts * v);
        for (int64_t k = 0; k < b.kernel; ++k, x += b.dilation * b.groups * 4) {
          for (int64_t g = 0; g < b.groups; ++g, w += rows) {
            acc = I::dot(acc, I::operand(x[4 * g]), I::load(w));
          }
        }
        y[v] = I::mul(I::to_float(acc), I::load_floats(b.scale + I::kInts * v));
        if (b.addend != nullptr) y[v] = I::add(y[v], I::load_floats(b.addend + I::kInts * v));
      }
      I::in_order(y, part);
#pragma GCC unroll 4
      for (int64_t i = 3; i >= 0; --i) {
        const int64_t lane = i * I::kInts / kChannels;
        store_values<I>(b, r * kLanes + lane, i * I::kInts % kChannels, first + p, part[i]);
      }
    }
  }
}

enum class Output { kBytes, kRelu, kAny };

template <typename I, int kLanes, Output kOutput>
void run(const DepthwiseBlock& b) {
  RowsFunction rows = rows_of_any<I, kLanes>;
  if constexpr (kOutput != Output::kAny) rows = rows_for<I, kLanes, kOutput == Output::kRelu>(b);
  for (int64_t first = 0; first < b.out_width; first += b.block_columns) {
    const int64_t rest = b.out_width - first;
    rows(b, first, rest < b.block_columns ? rest : b.block_columns);
  }
}

template <typename I, int kLanes>
constexpr DepthwiseVariant depthwise_variant() {
  DepthwiseVariant variant{I::kShift, run<I, kLanes, Output::kBytes>, nullptr,
                           run<I, kLanes, Output::kAny>};
  if constexpr (I::kFused) variant.relu = run<I, kLanes, Output::kRelu>;
  return variant;
}

}  // namespace
}  // namespace octile
