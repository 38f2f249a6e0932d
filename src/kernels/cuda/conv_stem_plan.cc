// Tiles, patches and packed weights of cuda.stem.mma.
#include "kernels/cuda/conv_stem_plan.h"

#include <algorithm>
#include <cstring>

namespace octile::cuda {
namespace {

int32_t round_up(int32_t n, int32_t step) { return (n + step - 1) / step * step; }

int32_t taps_of_word(const ConvProblem& p) { return p.in_c == 1 ? 4 : 1; }

/// How the window's words make up K. Windows of more than 4 steps have rows of 4 or 8 words, so
/// that a step lies as far from the one before in all cases.
struct WindowWords {
  int32_t of_row = 1, pitch = 1, steps = 0;  // steps 0: too many

  explicit WindowWords(const ConvProblem& p) {
    of_row = (p.kernel_w + taps_of_word(p) - 1) / taps_of_word(p);
    // Rows of whole chunks spare conflicts of banks.
    const int32_t whole = steps_for(p, round_up(of_row, 4)), dense = steps_for(p, of_row);
    pitch = whole == dense ? round_up(of_row, 4) : of_row;
    steps = dense > 4 && pitch != 4 && pitch != 8 ? 0 : dense;
  }
  /// Lines of the patch that a window's reading goes over, for weights of 0 at last.
  int32_t lines(const ConvProblem& p) const { return steps > 4 ? steps * 8 / pitch : p.kernel_h; }
  static int32_t steps_for(const ConvProblem& p, int32_t pitch) {
    const int64_t steps = (int64_t{p.kernel_h} * pitch + 7) / 8;
    return steps <= 2 ? 2 : steps <= 4 ? 4 : steps <= kMostStemSteps ? kMostStemSteps : 0;
  }
};

/// As few warps to a tile's columns as they need: the others share its pixels.
int32_t log_groups(const ConvProblem& p) {
  return p.out_c <= kStemColumns ? 0 : p.out_c <= 2 * kStemColumns ? 1 : 2;
}

PackedLayout layout_of(const ConvProblem& p) {
  return {round_up(p.out_c, kStemColumns << log_groups(p)), int64_t{WindowWords(p).steps} * 32};
}

/// Everything of a tile's patch.
StemPatch patch_of(const ConvProblem& p, int32_t tile_h, int32_t tile_w) {
  StemPatch patch{.quantizer = StemQuantizer(p)};
  patch.shift = (4 - p.pad_left % 4) % 4;
  patch.lines = (tile_h - 1) * p.stride_h + p.kernel_h;
  patch.line_pixels = round_up(patch.shift + (tile_w - 1) * p.stride_w + p.kernel_w, 4);
  patch.line = FastDivide(static_cast<uint32_t>(patch.line_pixels));
  patch.image_values = p.in_h * p.in_w * p.in_c;
  // What is read for weights of 0 must be there: lines, and words between a row and the next.
  const WindowWords words(p);
  patch.stage_offset = (patch.lines + words.lines(p) - p.kernel_h) * patch.line_pixels +
                       (words.pitch - words.of_row) * taps_of_word(p);
  patch.stage_offset = round_up(patch.stage_offset, 32);  // 128 bytes, as the copy engine wants
  if (p.x_type != ConvType::kFloat) return patch;
  patch.is_float = 1;
  patch.planar = p.x_planar && p.in_c > 1;
  const int32_t channels = patch.planar != 0 ? 1 : p.in_c;
  patch.planes = patch.planar != 0 ? p.in_c : 1;
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
  const int32_t steps = WindowWords(p).steps;
  const int32_t blocks = stem_blocks(steps, p.pools);  // at the end some have none left
  const int32_t side_by_side = kStemWarps >> log_groups(p);
  const int32_t lines = p.pools ? 2 : 1;  // that a warp takes together
  const int64_t turn_cost = kStemWarps * (lines * steps * 10 + 90);
  TileSize best;
  int64_t least = 0;
  for (int32_t w = kStemSide; w <= 4 * kStemSide; w *= 2) {
    for (int32_t h = lines; h <= 32; h += lines) {
      const StemPatch patch = patch_of(p, h, w);
      if (stem_shared_bytes(patch) > bytes) continue;
      const int64_t tiles = p.batch * ((p.out_h + h - 1) / h) * ((p.out_w + w - 1) / w);
      const int64_t turns = (h / lines * (w / kStemSide) + side_by_side - 1) / side_by_side;
      const int64_t cost =
          400 + int64_t{patch.lines} * patch.line_pixels * (p.in_c + 1) / 3 + turns * turn_cost;
      const int64_t time = ((tiles - 1) / device.multiprocessors + blocks) * cost;
      if (best.h == 0 || time < least) best = {h, w}, least = time;
    }
  }
  return best;
}

/// As many blocks a multiprocessor as registers allow; else one. A multiprocessor has 1 KiB more
/// than one block may use, and each block costs 1.
TileSize choose_tile(const ConvProblem& p, const ConvDevice& device) {
  const int32_t blocks = stem_blocks(WindowWords(p).steps, p.pools);
  const TileSize tile = best_tile(p, device, (device.shared_bytes + 1024) / blocks - 1024);
  return tile.h > 0 ? tile : best_tile(p, device, device.shared_bytes);
}

}  // namespace

/// A barrier, words, then staged floats; what one-channel images read behind those is there,
/// whatever it holds.
int64_t stem_shared_bytes(const StemPatch& patch) {
  const int64_t staged = int64_t{patch.planes} * patch.lines * patch.row_values * 4 + 16;
  return kStemBarrierBytes + int64_t{patch.stage_offset} * 4 + (patch.is_float != 0 ? staged : 0);
}

bool stem_fits(const ConvProblem& p, const ConvDevice& device) {
  constexpr int64_t kLongest = 1024;  // else int32 would not hold the words of the largest patch
  return WindowWords(p).steps > 0 && p.stride_h <= kLongest && p.stride_w <= kLongest &&
         choose_tile(p, device).h > 0;
}

StemMmaParams stem_params(const ConvProblem& p, const ConvDevice& device,
                          const ConvOperands& operands) {
  const TileSize tile = choose_tile(p, device);
  const WindowWords words(p);
  StemMmaParams params{.conv = conv_params(p, operands, layout_of(p)),
                       .patch = patch_of(p, tile.h, tile.w),
                       .steps = words.steps,
                       .words_of_row = words.of_row,
                       .pitch = words.pitch,
                       .word_step = taps_of_word(p),
                       .tile_h = tile.h,
                       .tile_w = tile.w,
                       .log_groups = log_groups(p)};
  constexpr int32_t kLargestBox = 256;
  params.patch.by_engine = params.patch.is_float != 0 && params.patch.piece == 4 &&
                           device.level == 90 && params.patch.row_values <= kLargestBox &&
                           params.patch.lines <= kLargestBox;
  while (kStemSide << params.log_across < tile.w) ++params.log_across;
  const int32_t line_bytes = 4 * params.patch.line_pixels;
  params.step_bytes = words.pitch == 8 ? line_bytes : 2 * line_bytes;
  params.half_bytes = words.pitch == 8 ? 16 * params.word_step : line_bytes;
  const int32_t down = (p.out_h + tile.h - 1) / tile.h, across = (p.out_w + tile.w - 1) / tile.w;
  params.tiles = static_cast<int32_t>(p.batch * down * across);
  params.tiles_of_image = FastDivide(static_cast<uint32_t>(down * across));
  params.tiles_of_line = FastDivide(static_cast<uint32_t>(across));
  return params;
}

CUtensorMap stem_map(const ConvKernel& kernel, const ConvProblem& p, const StemPatch& patch,
                     const void* x) {
  return float_map(kernel, x, {patch.image_row, p.in_h, patch.planes, p.batch},
                   {patch.row_values, patch.lines, patch.planes, 1});
}

size_t stem_packed_bytes(const ConvKernel&, const ConvProblem& p) { return layout_of(p).bytes(); }

void stem_pack(const ConvKernel&, const ConvProblem& p, const ConvWeights& weights,
               uint8_t* packed) {
  const PackedLayout layout = layout_of(p);
  uint8_t* target = begin_packing(p, weights, layout, packed);
  const WindowWords words(p);
  const int32_t taps = taps_of_word(p);
  for (int32_t column = 0; column < layout.columns; ++column) {
    const int32_t within = column % kStemColumns;
    const int32_t channel =
        column - within + within % 8 / 2 * (kStemColumns / 4) + within / 8 * 2 + within % 2;
    if (channel >= p.out_c) continue;
    for (int32_t row = 0; row < p.kernel_h; ++row) {
      for (int32_t j = 0; j < words.of_row; ++j) {
        const int32_t word = row * words.pitch + j;
        const int64_t step = int64_t{column / kStemColumns} * words.steps + word / 8;
        const int64_t lane = within % 8 * 4 + word % 4;
        const int64_t at = (step * 32 + lane) * 8 + within / 8 * 2 + word % 8 / 4;
        const int32_t count = std::min(taps, p.kernel_w - j * taps) * p.in_c;
        std::memcpy(target + at * 4,
                    weights.weights +
                        ((int64_t{channel} * p.kernel_h + row) * p.kernel_w + j * taps) * p.in_c,
                    static_cast<size_t>(count));
      }
    }
  }
}

}  // namespace octile::cuda
