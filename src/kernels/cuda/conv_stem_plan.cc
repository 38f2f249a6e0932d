// Tiles, patches and packed weights of cuda.stem.mma.
#include "kernels/cuda/conv_stem_plan.h"

#include <algorithm>
#include <cstring>

namespace octile::cuda {
namespace {

int32_t taps_of_word(const ConvProblem& p) { return p.in_c == 1 ? 4 : 1; }
int32_t words_of_row(const ConvProblem& p) {
  return (p.kernel_w + taps_of_word(p) - 1) / taps_of_word(p);
}
int32_t steps_of(const ConvProblem& p) { return (p.kernel_h * words_of_row(p) + 7) / 8; }

PackedLayout layout_of(const ConvProblem& p) {
  const int32_t columns = stem_columns(p);
  return {(p.out_c + columns - 1) / columns * columns, int64_t{steps_of(p)} * 32};
}

/// Everything of a tile's patch.
StemPatch patch_of(const ConvProblem& p, int32_t tile_h, int32_t tile_w) {
  StemPatch patch{.quantizer = StemQuantizer(p)};
  patch.shift = (4 - p.pad_left % 4) % 4;
  patch.lines = (tile_h - 1) * p.stride_h + p.kernel_h;
  patch.line_pixels = (patch.shift + (tile_w - 1) * p.stride_w + p.kernel_w + 3) / 4 * 4;
  patch.line = FastDivide(static_cast<uint32_t>(patch.line_pixels));
  patch.image_values = p.in_h * p.in_w * p.in_c;
  if (p.x_type != ConvType::kFloat) return patch;
  patch.is_float = 1;
  patch.planar = p.x_planar && p.in_c > 1;
  const int32_t channels = patch.planar != 0 ? 1 : p.in_c;
  patch.rows = patch.lines * (patch.planar != 0 ? p.in_c : 1);
  patch.row_values = patch.line_pixels * channels;
  patch.image_row = p.in_w * channels;
  patch.piece = patch.image_row % 4 == 0 ? 4 : 1;
  patch.pieces = patch.row_values / patch.piece;
  patch.pass = std::max(1, kStemThreads / patch.pieces);
  const bool is_signed = p.x_stored == ConvType::kS8;
  const auto base =
      static_cast<uint32_t>(p.x_zero_point + (is_signed ? 128 : 0)) - StemQuantizer::kBits;
  for (int k = 0; k < (p.in_c == 1 ? 4 : p.in_c); ++k) patch.word_base += base << (8 * k);
  patch.word_flip = is_signed ? 0x80808080u : 0u;
  return patch;
}

struct TileSize {
  int32_t h = 0, w = 0;  // 0: none fits
};

/// The tile whose work, in instructions of a warp, is least; `bytes`: a block's share of memory.
TileSize best_tile(const ConvProblem& p, const ConvDevice& device, int32_t bytes) {
  const int32_t columns = stem_columns(p);
  const int64_t pair_cost = steps_of(p) * (columns * 3 / 8 + 16) + columns * 4;
  TileSize best;
  int64_t least = 0;
  for (int32_t w = kStemSide; w <= 4 * kStemSide; w *= 2) {
    for (int32_t h = 2; h <= 32; h += 2) {
      const StemPatch patch = patch_of(p, h, w);
      if (stem_shared_bytes(p, patch) > bytes) continue;
      const int64_t tiles = p.batch * ((p.out_h + h - 1) / h) * ((p.out_w + w - 1) / w);
      const int64_t pairs = (h / 2 * (w / kStemSide) + kStemWarps - 1) / kStemWarps * kStemWarps;
      const int64_t cost =
          400 + patch.lines * patch.line_pixels * (p.in_c + 1) / 3 + pairs * pair_cost;
      const int64_t time = ((tiles - 1) / device.multiprocessors + 2) * cost;
      if (best.h == 0 || time < least) best = {h, w}, least = time;
    }
  }
  return best;
}

/// As many blocks a multiprocessor as registers allow; else one. A multiprocessor has 1 KiB more
/// than one block may use, and each block costs 1.
TileSize choose_tile(const ConvProblem& p, const ConvDevice& device) {
  const int32_t blocks = stem_blocks(stem_columns(p));
  const TileSize tile = best_tile(p, device, (device.shared_bytes + 1024) / blocks - 1024);
  return tile.h > 0 ? tile : best_tile(p, device, device.shared_bytes);
}

}  // namespace

/// Weights and offsets, biases and scales, words, staged floats; what one-channel images read
/// behind those is there, whatever it holds.
int64_t stem_shared_bytes(const ConvProblem& p, const StemPatch& patch) {
  const int64_t columns = stem_columns(p), words = int64_t{patch.lines} * patch.line_pixels;
  const int64_t staged = int64_t{patch.rows} * patch.row_values * 4 + 16;
  return steps_of(p) * (columns * 32 + 32) + columns * 12 + words * 4 +
         (patch.is_float != 0 ? staged : 0);
}

bool stem_fits(const ConvProblem& p, const ConvDevice& device) {
  return choose_tile(p, device).h > 0;
}

StemMmaParams stem_params(const ConvProblem& p, const ConvDevice& device,
                          const ConvOperands& operands) {
  const TileSize tile = choose_tile(p, device);
  StemMmaParams params{.conv = conv_params(p, operands, layout_of(p)),
                       .patch = patch_of(p, tile.h, tile.w),
                       .steps = steps_of(p),
                       .words_of_row = words_of_row(p),
                       .word_step = taps_of_word(p),
                       .tile_h = tile.h,
                       .tile_w = tile.w};
  while (kStemSide << params.log_across < tile.w) ++params.log_across;
  const int32_t down = (p.out_h + tile.h - 1) / tile.h, across = (p.out_w + tile.w - 1) / tile.w;
  params.tiles = static_cast<int32_t>(p.batch * down * across);
  params.tiles_of_image = FastDivide(static_cast<uint32_t>(down * across));
  params.tiles_of_line = FastDivide(static_cast<uint32_t>(across));
  return params;
}

size_t stem_packed_bytes(const ConvKernel&, const ConvProblem& p) { return layout_of(p).bytes(); }

void stem_pack(const ConvKernel&, const ConvProblem& p, const ConvWeights& weights,
               uint8_t* packed) {
  const PackedLayout layout = layout_of(p);
  uint8_t* target = begin_packing(p, weights, layout, packed);
  const int32_t columns = stem_columns(p), taps = taps_of_word(p), of_row = words_of_row(p);
  for (int32_t column = 0; column < layout.columns; ++column) {
    const int32_t within = column % columns;
    const int32_t channel =
        column - within + within % 8 / 2 * (columns / 4) + within / 8 * 2 + within % 2;
    if (channel >= p.out_c) continue;
    for (int32_t word = 0; word < p.kernel_h * of_row; ++word) {
      const int32_t row = word / of_row, tap = word % of_row * taps;
      const int64_t fragment =
          (int64_t{column / columns} * steps_of(p) + word / 8) * (columns / 16) + within / 16;
      const int64_t lane = within % 8 * 4 + word % 4;
      const int64_t at = (fragment * 32 + lane) * 4 + within / 8 % 2 * 2 + word % 8 / 4;
      const int32_t count = std::min(taps, p.kernel_w - tap) * p.in_c;
      std::memcpy(
          target + at * 4,
          weights.weights + ((int64_t{channel} * p.kernel_h + row) * p.kernel_w + tap) * p.in_c,
          static_cast<size_t>(count));
    }
  }
}

}  // namespace octile::cuda
