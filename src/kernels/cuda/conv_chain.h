// Layers in a row at batch 1 as one launch (conv_chain.cu): what the kernel gets, and how the host makes
// it. Small networks wait for launches more than they compute: a cluster of 16 blocks goes through
// all layers, meeting after each, with weights on their way to shared memory from the start.
//
// A layer is a product of output rows by channels over K words of four input channels. Its blocks
// are row_parts × column_parts; a block stages the layer's whole input in shared memory, channels
// padded to words, with the window's padding around it, and multiplies by mma.sync m16n8k32.
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

enum class ChainSource : uint8_t { kBytes, kFloats, kPlanarFloats };

/// A max pooling that the layer reads its input through; of 1 and stride 1 where there is none.
struct ChainPool {
  int32_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_top = 0, pad_left = 0;
};

struct ChainLayer {
  const void* x = nullptr;  // before the pooling, (h, w, c)
  int32_t source_h = 1, source_w = 1, source_c = 1;
  ChainSource source = ChainSource::kBytes;
  bool is_unsigned = false;  // the bytes multiplied
  StemQuantizer quantizer;   // of floats
  uint32_t quantizer_base = 0;
  ChainPool pool;
  // In shared memory: lines of pixels of words; the image begins behind the padding.
  int32_t staged_h = 1, staged_w = 1, staged_words = 1;
  int32_t image_h = 1, image_w = 1, pad_top = 0, pad_left = 0;
  uint32_t border = 0;  // four times the zero point
  // The windows, in words of shared memory.
  int32_t pixel_words = 1, line_words = 1;  // from pixel to pixel, from line to line
  int32_t kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int32_t k_words = 1, groups = 1;  // groups: ⌈k_words / kGroupWords⌉
  bool wide = false;                // a lane's four words lie side by side
  int32_t out_w = 1;
  // Who does what.
  int32_t row_parts = 1, column_parts = 1, part_rows = 1, part_tiles = 1;
  const uint8_t* weights = nullptr;                 // [column part][tile][group][lane][16]
  int32_t weight_bytes = 0;                         // of a part
  int32_t s_weights = 0, s_image = 0, s_table = 0;  // bytes of shared memory
  int32_t load_at = 0;  // the layer at whose beginning they are sent for
  ConvTail tail;
};

struct ChainParams {
  int32_t count = 0, shared_bytes = 0;
  ChainLayer layers[kMostChained];
};

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
  std::vector<uint8_t> packed;                    // by pack_chain()
  std::vector<size_t> bias, multiplier, weights;  // by layer: offsets into it
};
/// False: they do not fit a block's shared memory.
bool plan_chain(const std::vector<ChainedConv>& convs, int shared_bytes, ChainPlan& plan);
void pack_chain(const std::vector<ChainedConv>& convs, ChainPlan& plan);

/// Whether the current GPU can have 16 such blocks in a cluster.
bool can_launch_chain(int shared_bytes);
void launch_chain(const ChainParams& params, void* stream);

}  // namespace octile::cuda
