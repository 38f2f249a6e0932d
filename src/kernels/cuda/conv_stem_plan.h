// What cuda.stem.mma decides on the host: the tile of outputs, and the patch of the image under it.
// Plain C++.
//
//   patch: a word a pixel, quantized: its channels' bytes. In an image of one channel its own byte
//   and those of the three pixels on its right: a word is four taps of a kernel row there.
//
// A line of the patch starts at a multiple of 4 pixels of the image's line, `shift` before the
// first that a window wants, so that 16 bytes of floats are copied at a time.
#pragma once

#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/conv_stem_quantize.h"
#include "kernels/cuda/tensor_map.h"

namespace octile::cuda {

inline constexpr int kStemThreads = 128, kStemWarps = kStemThreads / 32;
inline constexpr int kStemSide = 16;     // pixels of an A fragment
inline constexpr int kStemColumns = 32;  // of a warp
inline constexpr int kMostStemSteps = 7;
inline constexpr int kStemBarrierBytes = 128;  // the copy engine's, before the words

struct StemPatch {
  int32_t lines = 0, line_pixels = 0, shift = 0;
  int32_t is_float = 0, planar = 0, by_engine = 0;
  StemQuantizer quantizer;
  uint32_t word_base = 0, word_flip = 0;  // (Σ bits << 8k) + base ^ flip: bytes of the word
  // Of the copies; a row is a line of one plane (planar), or of pixels.
  int32_t planes = 1;
  int32_t piece = 4, pieces = 1;  // floats at a time, how often a row
  int32_t pass = 0;               // rows at a time by all threads
  int32_t row_values = 0, image_row = 0, image_values = 0;
  int32_t stage_offset = 0;  // floats, behind the words
  FastDivide line;
};

struct StemMmaParams {
  ConvParams conv;
  StemPatch patch;
  int32_t steps = 0;                                       // of 32 bytes of K: 2, 4 or 7
  int32_t words_of_row = 1;                                // of the window
  int32_t pitch = 1;                                       // words of K from row to row
  int32_t word_step = 1;                                   // pixels from word to word
  int32_t step_bytes = 0, half_bytes = 0;                  // from step to step, and within; 7 steps
  int32_t tile_h = 1, tile_w = kStemSide, log_across = 0;  // outputs; log2(tile_w / kStemSide)
  int32_t log_groups = 0;                                  // of columns, a block
  int32_t tiles = 1;
  FastDivide tiles_of_image, tiles_of_line;
};

/// Blocks of a multiprocessor, as registers allow.
constexpr int stem_blocks(int steps, bool pools) { return steps > 2 ? 4 : pools ? 5 : 6; }

/// False: the window has too many words, or no tile fits into the device's shared memory.
bool stem_fits(const ConvProblem&, const ConvDevice&);
StemMmaParams stem_params(const ConvProblem&, const ConvDevice&, const ConvOperands&);
int64_t stem_shared_bytes(const StemPatch&);
/// REQUIRES: patch.by_engine.
CUtensorMap stem_map(const ConvKernel&, const ConvProblem&, const StemPatch&, const void* x);

size_t stem_packed_bytes(const ConvKernel&, const ConvProblem&);
/// [column / 32][step][lane][4 · 8 columns][2] words, as B fragments want them; columns in an order
/// that gives a lane neighbouring channels (channel_of_column()).
void stem_pack(const ConvKernel&, const ConvProblem&, const ConvWeights&, uint8_t* packed);

}  // namespace octile::cuda
