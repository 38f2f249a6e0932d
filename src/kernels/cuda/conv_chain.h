// Layers in a row at batch 1 as one launch (conv_chain.cu): what the kernel gets, and how the host makes
// it. Small networks wait for launches more than they compute: a cluster of 16 blocks goes through
// all layers, meeting after each, with weights on their way to shared memory from the start.
//
// A layer is a product of output rows by channels over K words of four input channels. Its blocks
// are row_parts × column_parts; a block stages the lines of the layer's input that its rows'
// windows touch in shared memory, channels padded to words, with the window's padding around them,
// and multiplies by mma.sync m16n8k32. What a block makes stays in its own shared memory, from
// where the next layer's blocks fetch it (the last layer's goes to memory).
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/conv_stem_quantize.h"

namespace octile::cuda {

inline constexpr int kChainBlocks = 16, kChainThreads = 256, kMostChained = 8;
inline constexpr int kChainColumns = 8;  // of a tile
/// Words of K that a lane of a quad has of a group: two products' worth.
inline constexpr int kGroupWords = 16;

/// Where a layer's input lies: in memory, (h, w, c), or (c, h, w) where planar; or with the blocks
/// that made it.
enum class ChainSource : uint8_t { kBytes, kFloats, kPlanarFloats, kBlocks };

/// n / by = the high word of n · magic, for n and by below 2^16.
struct ChainDivisor {
  uint32_t by = 1, magic = 0;
  ChainDivisor() = default;
  explicit ChainDivisor(int32_t divisor)
      : by(static_cast<uint32_t>(divisor)),
        magic(by > 1 ? static_cast<uint32_t>(((uint64_t{1} << 32) + by - 1) / by) : 0) {}
  OCTILE_HOST_DEVICE int32_t quotient(int32_t n) const {
    if (by == 1) return n;
    return static_cast<int32_t>(uint64_t{static_cast<uint32_t>(n)} * magic >> 32);
  }
};

/// A max pooling that the layer reads its input through; of 1 and stride 1 where there is none.
struct ChainPool {
  int32_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_top = 0, pad_left = 0;
  ChainDivisor by_kernel_w;
};

/// What a block keeps of its share of a layer: (rows, channels) bytes.
struct ChainShare {
  int32_t row_parts = 1, column_parts = 1, part_rows = 1, part_tiles = 1;
  int32_t s_made = -1;  // in shared memory; −1: it goes to memory
  ChainDivisor by_rows, by_words;  // part_rows; words of a row
  OCTILE_HOST_DEVICE int32_t channels() const { return part_tiles * kChainColumns; }
};

struct ChainLayer {
  const void* x = nullptr;  // of the first layer
  ChainShare from;          // of the others: the layer before
  int32_t source_h = 1, source_w = 1, source_c = 1;  // before the pooling
  ChainSource source = ChainSource::kBytes;
  bool is_unsigned = false;  // the bytes multiplied
  bool wide = false;         // a lane's four words lie side by side
  bool wide_pieces = false;  // the input is fetched by four words, else one
  StemQuantizer quantizer;   // of floats
  uint32_t quantizer_base = 0;
  ChainPool pool;
  // The input as it is staged: lines of pixels of words; the image begins behind the padding.
  int32_t staged_w = 1, staged_words = 1, most_lines = 1;  // of a part
  int32_t image_h = 1, image_w = 1, pad_top = 0, pad_left = 0;
  ChainDivisor by_pieces, by_staged_w;  // pieces of a pixel; pixels of a line
  uint32_t border = 0;                  // four times the zero point
  // The windows, in words of shared memory.
  int32_t pixel_words = 1, line_words = 1;  // from pixel to pixel, from line to line
  int32_t window_lines = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1;
  int32_t dilation_w = 1;
  int32_t k_words = 1, groups = 1;  // groups: ⌈k_words / kGroupWords⌉
  ChainDivisor by_out_w;
  // Who does what, and what he needs for it: bias and multiplier by channel, where the words of K
  // lie, weights [tile][group][lane][16]; sent for as one, when layer load_at begins.
  ChainShare share;
  const uint8_t* packed = nullptr;  // [column part]
  int32_t part_bytes = 0, table_bytes = 0, s_part = 0, s_image = 0, load_at = 0;
  ConvTail tail;

  OCTILE_HOST_DEVICE int32_t bias_bytes() const { return share.channels() * 4; }
  OCTILE_HOST_DEVICE int32_t table_at() const { return 2 * bias_bytes(); }
  OCTILE_HOST_DEVICE int32_t weights_at() const { return table_at() + table_bytes; }
  /// The lines that `rows` output rows from `first` on need.
  OCTILE_HOST_DEVICE int32_t first_line(int32_t first) const {
    return by_out_w.quotient(first) * stride_h;
  }
  OCTILE_HOST_DEVICE int32_t lines(int32_t first, int32_t rows) const {
    return first_line(first + rows - 1) - first_line(first) + window_lines;
  }
};

struct ChainParams {
  int32_t count = 0, shared_bytes = 0;
  ChainLayer layers[kMostChained];
};
static_assert(sizeof(ChainParams) <= 4096);  // parameters of a kernel
static_assert(sizeof(ChainLayer) % 4 == 0);

/// Which word of K is the i-th of the four that place `quad_lane` of a quad has of a group.
inline int word_of(bool wide, int group, int quad_lane, int i) {
  return group * kGroupWords + (wide ? 4 * quad_lane + i : 4 * i + quad_lane);
}

/// What the host knows of a layer before it is placed.
struct ChainedConv {
  ConvProblem problem;  // batch 1, one group
  ConvWeights weights;
  ChainPool pool;
  int32_t source_h = 1, source_w = 1, source_c = 1;  // before the pooling
  int32_t image_h = 1, image_w = 1;                  // behind it
  bool flattened = false;  // the problem's one pixel is the whole image behind it
};

struct ChainPlan {
  ChainParams params;  // pointers are null
  double estimated_us = 0.0;
  std::vector<uint8_t> packed;  // by pack_chain()
  std::vector<size_t> offsets;  // by layer: into it
};
/// False: they do not fit a block's shared memory. REQUIRES: no residuals, and floats are read by the
/// first layer alone and written by the last alone.
bool plan_chain(const std::vector<ChainedConv>& convs, int shared_bytes, ChainPlan& plan);
void pack_chain(const std::vector<ChainedConv>& convs, ChainPlan& plan);

/// Whether the current GPU can have 16 such blocks in a cluster.
bool can_launch_chain(int shared_bytes);
void launch_chain(const ChainParams& params, void* stream);

}  // namespace octile::cuda
