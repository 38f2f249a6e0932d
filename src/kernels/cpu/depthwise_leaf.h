// The depthwise kernel, written once for all register widths: a policy I gives registers and
// instructions (depthwise_avx512vnni.cc, depthwise_ymm_leaf.h). Leaf files alone include this.
// Start reading at run(); depthwise_kernel.h explains the interleaved columns.
#pragma once

#include "kernels/cpu/depthwise_columns_leaf.h"

namespace octile {
namespace {

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

/// What sums become. Bytes are packed from parts; the others lie straight.
enum class Output { kBytes, kRelu, kFloats, kAny };
constexpr Order order_of(Output output) {
  const bool bytes = output == Output::kBytes || output == Output::kRelu;
  return bytes ? Order::kParts : Order::kStraight;
}

/// Quarter v of a tile's sums as floats: a straight order leaves each register with channels of one
/// lane as they lie in the output.
template <typename I, int kLanes, int kRows, int kPixels>
inline void write_floats(const DepthwiseBlock& b, int64_t column, int v,
                         const typename I::V (&acc)[kPixels][kRows]) {
  constexpr int kChannels = 4 * I::kInts / kLanes;
  const auto scale = I::load_floats(b.scale + I::kInts * v);
  const auto addend = I::load_floats(b.addend + I::kInts * v);
  const auto lo = I::set_float(b.lo), hi = I::set_float(b.hi);
  const int lane = v * I::kInts / kChannels;
  const int64_t channel = b.channel + v * I::kInts % kChannels;
#pragma GCC unroll 2
  for (int r = kRows - 1; r >= 0; --r) {
    uint8_t* out = b.out[r * kLanes + lane] + column * b.out_pixel;
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; ++p, out += b.out_pixel) {
      const auto y = I::add(I::mul(I::to_float(acc[p][r]), scale), addend);
      I::store_floats(reinterpret_cast<float*>(out) + channel, I::min(I::max(y, lo), hi));
    }
  }
}

/// kPixels output columns of kRows rows; `x` is the first window's first column in scratch. Between
/// its products columns of the next tile are interleaved: the two use different ports.
template <typename I, int kLanes, int kRows, int kPixels, Output kOutput, typename E>
inline void tile(const DepthwiseBlock& b, const typename I::V* x, int64_t column,
                 Columns<I, kLanes, order_of(kOutput)>& columns) {
  using V = typename I::V;
  constexpr bool kRelu = kOutput == Output::kRelu, kFloats = kOutput == Output::kFloats;
  const int64_t taps = E::kernel(b), groups = E::groups(b), dilation = E::dilation(b);
  const int64_t step = E::stride(b) * groups * 4;  // registers from window to window
  V words[kPixels][kRows][2], previous[kPixels][kRows];
  const auto* w = reinterpret_cast<const V*>(b.weights);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const int v = kFloats ? 3 - i : i;  // floats are written at once, those of the first lane last
    if (kFloats) w = reinterpret_cast<const V*>(b.weights) + v * taps * groups * kRows;
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
      for (int64_t c = i * fresh / 4; c < (i + 1) * fresh / 4; ++c) {
        columns.interleave_one(b, groups);
      }
    }
    if constexpr (kFloats) {
      write_floats<I, kLanes, kRows, kPixels>(b, column, v, acc);
      continue;
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
  if constexpr (kFloats) return;
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

template <typename I, int kLanes, int kRows, Output kOutput, typename E>
void rows_of_tiles(const DepthwiseBlock& b, int64_t first, int64_t count) {
  constexpr int kPixels = I::kOutputs / kRows;
  constexpr Order kOrder = order_of(kOutput);
  auto* x = reinterpret_cast<typename I::V*>(b.scratch);
  const int64_t stride = E::stride(b), column = E::groups(b) * 4;  // registers of a column
  const int64_t beyond = (E::kernel(b) - 1) * E::dilation(b) + 1 - stride;
  const int64_t begin = first * stride - b.left, end = begin + count * stride + beyond;
  int64_t ready = begin + (count < kPixels ? count : kPixels) * stride + beyond;
  interleave<I, kLanes, kOrder>(b, begin, ready, x);
  Columns<I, kLanes, kOrder> columns{ready, end, x + (ready - begin) * column};
  int64_t p = 0;
  for (; p + kPixels <= count; p += kPixels) {
    tile<I, kLanes, kRows, kPixels, kOutput, E>(b, x + p * stride * column, first + p, columns);
  }
  for (; p < count; ++p) {
    tile<I, kLanes, kRows, 1, kOutput, E>(b, x + p * stride * column, first + p, columns);
  }
}

using RowsFunction = void (*)(const DepthwiseBlock& b, int64_t first, int64_t count);

template <typename I, int kLanes, Output kOutput>
RowsFunction rows_for(const DepthwiseBlock& b) {
  if (b.out_rows == 2) {
    if (Extents<3, 1, 1>::match(b)) return rows_of_tiles<I, kLanes, 2, kOutput, Extents<3, 1, 1>>;
    if (Extents<5, 2, 1>::match(b)) return rows_of_tiles<I, kLanes, 2, kOutput, Extents<5, 2, 1>>;
    if (Extents<5, 2, 2>::match(b)) return rows_of_tiles<I, kLanes, 2, kOutput, Extents<5, 2, 2>>;
    if constexpr (kLanes == I::kParts) {  // eight channels, two pixels in each of the kernel's
      if (Extents<3, 1, 2>::match(b)) return rows_of_tiles<I, kLanes, 2, kOutput, Extents<3, 1, 2>>;
    }
    return rows_of_tiles<I, kLanes, 2, kOutput, Extents<0, 0, 0>>;
  }
  if (Extents<3, 1, 2>::match(b)) return rows_of_tiles<I, kLanes, 1, kOutput, Extents<3, 1, 2>>;
  return rows_of_tiles<I, kLanes, 1, kOutput, Extents<0, 0, 0>>;
}

/// I::kInts values of one pixel, whatever the block says.
template <typename I>
inline void write_any(const DepthwiseBlock& b, int64_t at, int64_t channel, int64_t column,
                      typename I::F y) {
  if (b.residual != nullptr) {
    const uint8_t* from = b.residual[at] + column * b.out_pixel + channel;
    const auto q = I::sub32(I::load_bytes(from, b.residual_signed), I::set32(b.residual_zero));
    y = I::add(y, I::mul(I::to_float(q), I::set_float(b.residual_multiplier)));
  }
  y = I::min(I::max(y, I::set_float(b.lo)), I::set_float(b.hi));
  uint8_t* out = b.out[at] + column * b.out_pixel;
  if (b.floats) {
    I::store_floats(reinterpret_cast<float*>(out) + channel, y);
  } else {
    I::store_bytes(out + channel, I::add32(I::round(y), I::set32(b.zero)));
  }
}

/// Any output type, residual and clamp, pixel by pixel.
template <typename I, int kLanes>
void rows_of_any(const DepthwiseBlock& b, int64_t first, int64_t count) {
  constexpr int kChannels = 4 * I::kInts / kLanes;
  using V = typename I::V;
  auto* scratch = reinterpret_cast<V*>(b.scratch);
  const int64_t rows = b.out_rows, begin = first * b.stride - b.left;
  const int64_t end = begin + (count - 1) * b.stride + (b.kernel - 1) * b.dilation + 1;
  interleave<I, kLanes, Order::kStraight>(b, begin, end, scratch);
  for (int64_t p = 0; p < count; ++p) {
    for (int64_t r = rows - 1; r >= 0; --r) {
#pragma GCC unroll 4
      for (int v = 3; v >= 0; --v) {
        const V* x = scratch + p * b.stride * b.groups * 4 + v;
        const V* w = reinterpret_cast<const V*>(b.weights) + v * b.kernel * b.groups * rows + r;
        V acc = I::load(b.bias + I::kInts * v);
        for (int64_t k = 0; k < b.kernel; ++k, x += b.dilation * b.groups * 4) {
          for (int64_t g = 0; g < b.groups; ++g, w += rows) {
            acc = I::dot(acc, I::operand(x[4 * g]), I::load(w));
          }
        }
        auto y = I::mul(I::to_float(acc), I::load_floats(b.scale + I::kInts * v));
        if (b.addend != nullptr) y = I::add(y, I::load_floats(b.addend + I::kInts * v));
        write_any<I>(b, r * kLanes + v * I::kInts / kChannels, b.channel + v * I::kInts % kChannels,
                     first + p, y);
      }
    }
  }
}

template <typename I, int kLanes, Output kOutput>
void run(const DepthwiseBlock& b) {
  RowsFunction rows = rows_of_any<I, kLanes>;
  if constexpr (kOutput != Output::kAny) rows = rows_for<I, kLanes, kOutput>(b);
  for (int64_t first = 0; first < b.out_width; first += b.block_columns) {
    const int64_t rest = b.out_width - first;
    rows(b, first, rest < b.block_columns ? rest : b.block_columns);
  }
}

template <typename I, int kLanes>
constexpr DepthwiseVariant depthwise_variant() {
  DepthwiseVariant variant{I::kShift, run<I, kLanes, Output::kBytes>, nullptr,
                           run<I, kLanes, Output::kFloats>, run<I, kLanes, Output::kAny>};
  if constexpr (I::kFused) variant.relu = run<I, kLanes, Output::kRelu>;
  return variant;
}

}  // namespace
}  // namespace octile
