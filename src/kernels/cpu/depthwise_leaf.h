// The depthwise kernel, written once for all register widths: a policy I gives registers and
// instructions (depthwise_avx512vnni.cc, depthwise_ymm_leaf.h). Leaf files alone include this.
// Start reading at run(); depthwise_kernel.h explains the interleaved columns.
#pragma once

#include "kernels/cpu/depthwise_kernel.h"

namespace octile {
namespace {

/// Interleaves the columns that windows of output columns [first, first + count) cover.
template <typename I, int kLanes, bool kNarrow>
void interleave(const DepthwiseBlock& b, int64_t first, int64_t count) {
  using V = typename I::V;
  const int64_t begin = first * b.stride - b.left;
  const int64_t end = begin + (count - 1) * b.stride + (b.kernel - 1) * b.dilation + 1;
  const V outside = I::prepare(I::set8(b.padding));
  auto* to = reinterpret_cast<V*>(b.scratch);
  for (int64_t column = begin; column < end; ++column) {
    if (column < 0 || column >= b.width) {
      for (int64_t i = 0; i < 4 * b.groups; ++i) *to++ = outside;
      continue;
    }
    const uint8_t* const* rows = b.rows;
    const int64_t offset = b.channel + column * b.pixel;
    for (int64_t g = 0; g < b.groups; ++g, rows += 4 * kLanes, to += 4) {
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
}

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
  V bytes(V low, V high) const {
    const V q = I::packus16(I::adds16(low, zero), I::adds16(high, zero));
    return I::bit_xor(I::min8(I::max8(q, lo), hi), flip);
  }
};

/// kPixels output columns of kRows rows; `x` is the first window's first column in scratch.
template <typename I, int kLanes, int kRows, int kPixels, typename E>
inline void tile(const DepthwiseBlock& b, const typename I::V* x, int64_t column) {
  using V = typename I::V;
  const int64_t taps = E::kernel(b), groups = E::groups(b), dilation = E::dilation(b);
  const int64_t step = E::stride(b) * groups * 4;  // registers from window to window
  V words[kPixels][kRows][2], previous[kPixels][kRows];
  const auto* w = reinterpret_cast<const V*>(b.weights);
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) {
    V acc[kPixels][kRows];
    const V bias = I::load(b.bias + I::kInts * v);
#pragma GCC unroll 4
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) acc[p][r] = bias;
    }
#pragma GCC unroll 8
    for (int64_t k = 0; k < taps; ++k) {
#pragma GCC unroll 2
      for (int64_t g = 0; g < groups; ++g, w += kRows) {
#pragma GCC unroll 4
        for (int p = 0; p < kPixels; ++p) {
          const auto four = I::operand(x[p * step + (k * dilation * groups + g) * 4 + v]);
#pragma GCC unroll 2
          for (int r = 0; r < kRows; ++r) acc[p][r] = I::dot(acc[p][r], four, I::load(w + r));
        }
      }
    }
    const auto scale = I::load_floats(b.scale + I::kInts * v);
#pragma GCC unroll 4
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        const V q = I::round(I::mul(I::to_float(acc[p][r]), scale));
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
  for (int r = 0; r < kRows; ++r) {
    if (kLanes == 1 && b.out[r] == nullptr) continue;
#pragma GCC unroll 4
    for (int p = 0; p < kPixels; ++p) {
      const V bytes = finish.bytes(words[p][r][0], words[p][r][1]);
      I::template store_lanes<kLanes>(b.out + r * kLanes, b.channel + (column + p) * b.out_pixel,
                                      bytes);
    }
  }
}

template <typename I, int kLanes, int kRows, typename E>
void rows_of_bytes(const DepthwiseBlock& b, int64_t first, int64_t count) {
  constexpr int kPixels = I::kOutputs / kRows;
  const auto* x = reinterpret_cast<const typename I::V*>(b.scratch);
  const int64_t step = E::stride(b) * E::groups(b) * 4;
  int64_t p = 0;
  for (; p + kPixels <= count; p += kPixels) {
    tile<I, kLanes, kRows, kPixels, E>(b, x + p * step, first + p);
  }
  for (; p < count; ++p) tile<I, kLanes, kRows, 1, E>(b, x + p * step, first + p);
}

using RowsFunction = void (*)(const DepthwiseBlock& b, int64_t first, int64_t count);

template <typename I, int kLanes>
RowsFunction rows_for(const DepthwiseBlock& b) {
  if (b.out_rows == 2) {
    if (Extents<3, 1, 1>::match(b)) return rows_of_bytes<I, kLanes, 2, Extents<3, 1, 1>>;
    if (Extents<5, 2, 1>::match(b)) return rows_of_bytes<I, kLanes, 2, Extents<5, 2, 1>>;
    if (Extents<5, 2, 2>::match(b)) return rows_of_bytes<I, kLanes, 2, Extents<5, 2, 2>>;
    return rows_of_bytes<I, kLanes, 2, Extents<0, 0, 0>>;
  }
  if (Extents<3, 1, 2>::match(b)) return rows_of_bytes<I, kLanes, 1, Extents<3, 1, 2>>;
  return rows_of_bytes<I, kLanes, 1, Extents<0, 0, 0>>;
}

/// The values of I::kInts channels of one pixel, in their order; n of them are valid.
template <typename I>
inline void store_values(const DepthwiseBlock& b, int64_t at, int64_t offset, int64_t column,
                         typename I::F y) {
  const int64_t n = b.n - offset;
  if (b.out[at] == nullptr || n <= 0) return;
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
  const int64_t rows = b.out_rows;
  for (int64_t p = 0; p < count; ++p) {
    for (int64_t r = 0; r < rows; ++r) {
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
      for (int64_t i = 0; i < 4; ++i) {
        const int64_t lane = i * I::kInts / kChannels;
        store_values<I>(b, r * kLanes + lane, i * I::kInts % kChannels, first + p, part[i]);
      }
    }
  }
}

template <typename I, int kLanes, bool kAny>
void run(const DepthwiseBlock& b) {
  const RowsFunction rows = kAny ? rows_of_any<I, kLanes> : rows_for<I, kLanes>(b);
  constexpr bool kNarrowest = kLanes == I::kParts;
  for (int64_t first = 0; first < b.out_width; first += b.block_columns) {
    const int64_t rest = b.out_width - first;
    const int64_t count = rest < b.block_columns ? rest : b.block_columns;
    if (kNarrowest && b.n < 16) {
      interleave<I, kLanes, kNarrowest>(b, first, count);
    } else {
      interleave<I, kLanes, false>(b, first, count);
    }
    rows(b, first, count);
  }
}

template <typename I, int kLanes>
constexpr DepthwiseVariant depthwise_variant() {
  return {I::kShift, run<I, kLanes, false>, run<I, kLanes, true>};
}

}  // namespace
}  // namespace octile
