// The contract between the AMX driver and its leaf file, which includes this and intrinsics alone.
//
// A block is 32 output pixels (or matrix rows) × 32 output channels: 2 × 2 tiles of sums. One step
// of k is 64 bytes of activations against two tiles of weights, [16 groups of 4 values of k][16
// channels][4]. A tile of activations is 16 rows at equal distance, so the driver hands over data
// in which neighbouring pixels of the output are equally spaced for every tap: the tensor itself,
// or a copy (amx_image.h). Then a step is one offset, whatever the window.
#pragma once

#include <cstdint>

namespace octile {

inline constexpr int64_t kAmxTileRows = 16, kAmxTileColumns = 16;
inline constexpr int64_t kAmxRows = 32, kAmxColumns = 32;  // of a block
inline constexpr int64_t kAmxStep = 64;                    // bytes of k
inline constexpr int64_t kAmxTileBytes = 1024;
/// Scratch of a thread: the sums of two blocks, int32.
inline constexpr int64_t kAmxSumsBytes = 2 * kAmxRows * kAmxColumns * 4;

/// Where the 32 rows of a block are written.
struct AmxRowBlock {
  int32_t tiles;             // 1: rows 16 … 31 do not exist
  int32_t offset[kAmxRows];  // of the row's first output, in elements from its image's; −1: nowhere
};

enum class AmxResidual : uint8_t { kNone, kUnsigned, kSigned };
enum class AmxOutput : uint8_t { kUnsigned, kSigned, kFloat };
inline constexpr int kAmxResiduals = 3, kAmxOutputs = 3;

struct AmxJob {
  // Rows: images × blocks. The very last block may have fewer rows (`last_rows`), and lie elsewhere
  // (`last_a`, else null) where reading whole tiles would leave the tensor.
  const uint8_t* a;
  int64_t first_image;                 // that `a` points to
  int64_t a_image, a_block, a_stride;  // bytes from image to image, block to block, row to row
  const AmxRowBlock* row_blocks;       // of an image
  int64_t blocks_per_image, blocks;    // blocks: of all images
  const uint8_t* last_a;
  int64_t last_stride;
  const AmxRowBlock* last_rows;
  // k
  const int32_t* step_offset;  // [steps] bytes from the row's first
  int64_t steps;
  // Columns: groups × blocks, each padded to 32 in the tables of a column.
  int64_t groups, group_blocks, group_columns, group_in;
  const int8_t* weights;  // [group][block][step][2 tiles], the last block of a group [1] if it can
  int64_t group_bytes;    // of weights
  const int32_t* bias;    // where the sums start
  const float* scale;     // multipliers
  const float* addend;    // float outputs: added after the multiply, or null
  int64_t table_image;    // elements of bias and scale from image to image (dynamic steps), or 0
  bool stream;            // weights do not fit the level-1 cache beside the activations
  int64_t chunk;          // column blocks that a task makes for one row block
  // Weights to ask memory for: `ahead` bytes on, each row block its share of them.
  int64_t lines_ahead, ahead, ahead_share;  // lines a step, or 0; bytes
  // Outputs
  uint8_t* out;
  int64_t out_image;  // elements from image to image
  const uint8_t* residual;
  int32_t residual_zero;
  float residual_multiplier;
  int32_t zero, q_lo, q_hi;  // 8-bit outputs; sums · multiplier stay below 2^31
  float lo, hi;              // float outputs
};

/// Makes the tasks [begin, end): a task is one row block × `chunk` column blocks; row blocks first.
using AmxFunction = void (*)(const AmxJob& job, int64_t begin, int64_t end, int32_t* sums);

/// Copies `count` runs of `bytes` bytes. Reads nothing beyond the last run; may write garbage
/// behind a run, up to `room` bytes from its start.
using AmxCopy = void (*)(uint8_t* to, int64_t to_stride, const uint8_t* from, int64_t from_stride,
                         int64_t bytes, int64_t count, int64_t room);

struct AmxKernels {
  AmxFunction run[2][kAmxOutputs][kAmxResiduals];  // [signed input]; float outputs: kNone alone
  AmxCopy copy;
};

extern const AmxKernels kAmxKernels;

}  // namespace octile
