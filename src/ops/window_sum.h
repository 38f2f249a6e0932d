// Plain convolution and deconvolution share this driver: per tile of output pixels, stage the
// input values of 64 terms (channel, kernel position) side by side, then let every output channel
// add them up. Per output the sum starts at the bias and runs over c, kd, kh, kw ascending.
#pragma once

#include <algorithm>
#include <array>

#include "base/parallel_for.h"
#include "ops/sum_tile.h"
#include "ops/window.h"

namespace octile {

struct WindowSum {
  WindowAxes axes;
  int64_t samples, groups;
  int64_t channels, rows;  // input and output channels of one group
  const float* x;
  const float* bias;  // null: zeros
  float* y;
};

/// The term that staging has come to: channel and kernel position.
struct Term {
  int64_t channel = 0;
  std::array<int64_t, 3> at{0, 0, 0};
  void next(const std::array<int64_t, 3>& kernel) {
    for (size_t axis = 3; axis-- > 0;) {
      if (++at[axis] < kernel[axis]) return;
      at[axis] = 0;
    }
    ++channel;
  }
};

/// One block of work. stage_row(axes, plane, term, first pixel, pixels, row) writes the input
/// values that `pixels` outputs meet at `term`; weights_of(group, row, first term, count, buffer)
/// gives their weights, in the buffer or elsewhere.
template <typename StageRow, typename WeightsOf>
void window_sum_block(const WindowSum& sum, int64_t image, int64_t first_pixel, int64_t first_row,
                      const StageRow& stage_row, const WeightsOf& weights_of) {
  alignas(64) float stage[kTileDepth * kTile];
  alignas(64) float sums[kTileRows * kTile];
  float buffer[kTileDepth];
  const int64_t pixels = std::min<int64_t>(kTile, sum.axes.out_volume() - first_pixel);
  const int64_t rows = std::min<int64_t>(kTileRows, sum.rows - first_row);
  const int64_t group = image % sum.groups;
  const int64_t terms = sum.channels * sum.axes.kernel_volume();
  for (int64_t r = 0; r < rows; ++r) {
    const float start = sum.bias == nullptr ? 0.0f : sum.bias[group * sum.rows + first_row + r];
    std::fill_n(sums + r * kTile, kTile, start);
  }
  std::fill_n(stage, kTileDepth * kTile, 0.0f);
  const float* x = sum.x + image * sum.channels * sum.axes.in_volume();
  Term term;
  for (int64_t first = 0; first < terms; first += kTileDepth) {
    const int64_t depth = std::min<int64_t>(kTileDepth, terms - first);
    for (int64_t k = 0; k < depth; ++k, term.next(sum.axes.kernel)) {
      stage_row(sum.axes, x + term.channel * sum.axes.in_volume(), term, first_pixel, pixels,
                stage + k * kTile);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const float* weights = weights_of(group, first_row + r, first, depth, buffer);
      accumulate_tile(weights, stage, kTile, depth, sums + r * kTile);
    }
  }
  float* y = sum.y + (image * sum.rows + first_row) * sum.axes.out_volume() + first_pixel;
  for (int64_t r = 0; r < rows; ++r) {
    std::copy_n(sums + r * kTile, pixels, y + r * sum.axes.out_volume());
  }
}

template <typename StageRow, typename WeightsOf>
void window_sum(const WindowSum& sum, const StageRow& stage_row, const WeightsOf& weights_of) {
  const int64_t tiles = (sum.axes.out_volume() + kTile - 1) / kTile;
  const int64_t blocks = (sum.rows + kTileRows - 1) / kTileRows;
  const int64_t work =
      sum.channels * sum.axes.kernel_volume() * kTile * std::min<int64_t>(kTileRows, sum.rows);
  parallel_for(sum.samples * sum.groups * tiles * blocks, grain_for(work),
               [&](int64_t begin, int64_t end, int) {
                 for (int64_t item = begin; item < end; ++item) {
                   const int64_t image = item / (tiles * blocks);
                   const int64_t block = item / tiles % blocks;
                   window_sum_block(sum, image, item % tiles * kTile, block * kTileRows, stage_row,
                                    weights_of);
                 }
               });
}

}  // namespace octile
