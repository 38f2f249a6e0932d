// INT8 blocks of 32 × 32 outputs with tdpbusd and tdpbssd.
//
//   tiles:   0 1   sums of rows 0 … 15      4   activations of rows 0 … 15     6 7   weights
//            2 3   sums of rows 16 … 31     5   activations of rows 16 … 31
//
// A step is 4 products of 16 cycles for 4 tile loads of 8. Three things would make the multiplier
// wait, and shape the order of what follows (start reading at multiply_block()):
// - Sums can be stored 52 cycles after their last product only, and tiles are not renamed. So the
//   sums of a block are held in their tiles until the next block's first step, which stores and
//   overwrites two of them while the other two are still made.
// - Scaling, rounding and packing the sums takes as long as two to four steps. It is done for the
//   held block, in slices of two rows between the steps of the next.
// - Weights that stream through the level-1 cache would evict the activations: they bypass it.
// - Weights that come from beyond the level-2 cache are asked for a chunk ahead, evenly over the
//   steps: else the first row block waits for memory and the others do not use it.
#include <immintrin.h>

#include "kernels/cpu/amx_store_leaf.h"

namespace octile {
namespace {

struct TileConfig {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
alignas(64) constexpr TileConfig kTiles = {
    1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

/// One block's operands.
struct Block {
  const uint8_t* a;
  int64_t a_stride;
  const int8_t* b;
  const int32_t* bias;
  const int8_t* ahead;  // weights of a later block: `job.lines_ahead` cache lines a step
};

/// Sums of tile row i and tile column j (the intrinsics want literal numbers).
template <bool kSigned, int i, int j>
inline void multiply() {
  if constexpr (i == 0 && j == 0) {
    if constexpr (kSigned) _tile_dpbssd(0, 4, 6);
    if constexpr (!kSigned) _tile_dpbusd(0, 4, 6);
  } else if constexpr (i == 0) {
    if constexpr (kSigned) _tile_dpbssd(1, 4, 7);
    if constexpr (!kSigned) _tile_dpbusd(1, 4, 7);
  } else if constexpr (j == 0) {
    if constexpr (kSigned) _tile_dpbssd(2, 5, 6);
    if constexpr (!kSigned) _tile_dpbusd(2, 5, 6);
  } else {
    if constexpr (kSigned) _tile_dpbssd(3, 5, 7);
    if constexpr (!kSigned) _tile_dpbusd(3, 5, 7);
  }
}

/// Weights that will not be read again soon bypass the level-1 cache, which the activations need.
template <int kTile>
inline void load_weights(const int8_t* from, bool stream) {
  if (stream) {
    if constexpr (kTile == 6) _tile_stream_loadd(6, from, 64);
    if constexpr (kTile == 7) _tile_stream_loadd(7, from, 64);
  } else {
    if constexpr (kTile == 6) _tile_loadd(6, from, 64);
    if constexpr (kTile == 7) _tile_loadd(7, from, 64);
  }
}

/// Stores the held sums of tile row i and starts the new ones there with the bias.
template <int i>
inline void turn_over(const Pending& held, const int32_t* bias, bool starts) {
  constexpr int kStride = kAmxColumns * 4;
  const bool stores = held.slices > 8 * i, both = held.columns > 0xffff;
  if constexpr (i == 0) {
    if (stores) _tile_stored(0, held.sums, kStride);
    if (starts) _tile_loadd(0, bias, 0);  // distance 0: every row is the bias
    if (stores && both) _tile_stored(1, held.sums + 16, kStride);
    if (starts) _tile_loadd(1, bias + 16, 0);
  } else {
    if (stores) _tile_stored(2, held.sums + 512, kStride);
    if (starts) _tile_loadd(2, bias, 0);
    if (stores && both) _tile_stored(3, held.sums + 528, kStride);
    if (starts) _tile_loadd(3, bias + 16, 0);
  }
}

/// The products of one step; those of the first step store the held sums first.
template <bool kSigned, int kM, int kN, bool kFirst>
inline void multiply_step(const Block& block, const uint8_t* a, const int8_t* b, bool stream,
                          const Pending& held) {
  if (kFirst) turn_over<0>(held, block.bias, true);
  load_weights<6>(b, stream);
  _tile_loadd(4, a, block.a_stride);
  multiply<kSigned, 0, 0>();
  if (kN > 1) {
    load_weights<7>(b + kAmxTileBytes, stream);
    multiply<kSigned, 0, 1>();
  }
  if (kFirst) turn_over<1>(held, block.bias, kM > 1);
  if (kM > 1) {
    _tile_loadd(5, a + kAmxTileRows * block.a_stride, block.a_stride);
    multiply<kSigned, 1, 0>();
    if (kN > 1) multiply<kSigned, 1, 1>();
  }
}

inline void prefetch(const AmxJob& job, const int8_t*& ahead) {
  for (int64_t i = 0; i < job.lines_ahead; ++i, ahead += 64) _mm_prefetch(ahead, _MM_HINT_T1);
}

/// The sums of one block of kM × kN tiles, while those of the held block are written.
template <bool kSigned, AmxOutput kOutput, AmxResidual kResidual, int kM, int kN>
inline void multiply_block(const AmxJob& job, const Block& block, Pending& held,
                           const Constants& c) {
  const int steps = static_cast<int>(job.steps), count = (held.slices + steps - 1) / steps;
  const int8_t *b = block.b, *ahead = block.ahead;
  multiply_step<kSigned, kM, kN, true>(block, block.a + job.step_offset[0], b, job.stream, held);
  prefetch(job, ahead);
  write_slices<kOutput, kResidual>(held, c, count);
  for (int s = 1; s < steps; ++s) {
    b += kN * kAmxTileBytes;
    multiply_step<kSigned, kM, kN, false>(block, block.a + job.step_offset[s], b, job.stream, held);
    prefetch(job, ahead);
    write_slices<kOutput, kResidual>(held, c, count);
  }
}

template <bool kSigned, AmxOutput kOutput, AmxResidual kResidual>
void run_tasks(const AmxJob& job, int64_t begin, int64_t end, int32_t* sums) {
  _tile_loadconfig(&kTiles);
  const Constants c = constants_of<kOutput>(job);
  constexpr int64_t kSize = kOutput == AmxOutput::kFloat ? 4 : 1;
  const int64_t column_blocks = job.groups * job.group_blocks;
  Pending held;
  int64_t turn = 0;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t row_block = task % job.blocks;
    const int64_t image = row_block / job.blocks_per_image;
    const int64_t in_image = row_block % job.blocks_per_image;
    const bool last = row_block == job.blocks - 1, moved = last && job.last_a != nullptr;
    const AmxRowBlock* rows = last ? job.last_rows : job.row_blocks + in_image;
    const uint8_t* a =
        moved ? job.last_a
              : job.a + (image - job.first_image) * job.a_image + in_image * job.a_block;
    const int64_t first = task / job.blocks * job.chunk;
    const int64_t stop = first + job.chunk < column_blocks ? first + job.chunk : column_blocks;
    for (int64_t n = first; n < stop; ++n, ++turn) {
      const int64_t group = n / job.group_blocks, in_group = n % job.group_blocks;
      const int64_t column = in_group * kAmxColumns, left = job.group_columns - column;
      const int64_t table = image * job.table_image + n * kAmxColumns;
      const int8_t* b =
          job.weights + group * job.group_bytes + in_group * job.steps * 2 * kAmxTileBytes;
      const Block block{a + group * job.group_in, moved ? job.last_stride : job.a_stride, b,
                        job.bias + table, b + job.ahead + row_block * job.ahead_share};
      if (rows->tiles > 1) {
        left > 16 ? multiply_block<kSigned, kOutput, kResidual, 2, 2>(job, block, held, c)
                  : multiply_block<kSigned, kOutput, kResidual, 2, 1>(job, block, held, c);
      } else {
        left > 16 ? multiply_block<kSigned, kOutput, kResidual, 1, 2>(job, block, held, c)
                  : multiply_block<kSigned, kOutput, kResidual, 1, 1>(job, block, held, c);
      }
      const int64_t at = image * job.out_image + group * job.group_columns + column;
      held.sums = sums + (turn & 1) * (kAmxRows * kAmxColumns);
      held.rows = rows;
      held.out = job.out + at * kSize;
      if (kResidual != AmxResidual::kNone) held.residual = job.residual + at;
      if (job.addend != nullptr) held.addend = job.addend + n * kAmxColumns;
      held.scale[0] = _mm512_loadu_ps(job.scale + table);
      held.scale[1] = _mm512_loadu_ps(job.scale + table + 16);
      held.columns = left >= 32 ? ~uint32_t{0} : (uint32_t{1} << left) - 1;
      held.slices = rows->tiles * 8;
      held.next = 0;
    }
  }
  turn_over<0>(held, nullptr, false);
  turn_over<1>(held, nullptr, false);
  write_slices<kOutput, kResidual>(held, c, held.slices);
  _tile_release();
}

/// Runs of up to sizeof(V) bytes by whole vectors: what they write too much comes before later
/// runs.
template <typename V>
int64_t copy_vectors(uint8_t* to, int64_t to_stride, const uint8_t* from, int64_t from_stride,
                     int64_t bytes, int64_t count) {
  constexpr int64_t kSize = sizeof(V);
  const int64_t spare = (count - 1) * from_stride + bytes - kSize;  // the last may not read beyond
  if (spare < 0) return 0;
  const int64_t whole = from_stride > 0 ? spare / from_stride + 1 : count;
  const int64_t n = whole < count ? whole : count;
  for (int64_t i = 0; i < n; ++i, to += to_stride, from += from_stride) {
    V v;
    __builtin_memcpy(&v, from, kSize);
    __builtin_memcpy(to, &v, kSize);
  }
  return n;
}

void copy_runs(uint8_t* to, int64_t to_stride, const uint8_t* from, int64_t from_stride,
               int64_t bytes, int64_t count, int64_t room) {
  int64_t done = 0;
  if (bytes <= 16 && room >= 16) {
    done = copy_vectors<__m128i>(to, to_stride, from, from_stride, bytes, count);
  } else if (bytes <= 32 && room >= 32) {
    done = copy_vectors<__m256i>(to, to_stride, from, from_stride, bytes, count);
  }
  const int64_t whole = bytes / 64 * 64;
  const __mmask64 mask = (uint64_t{1} << (bytes - whole)) - 1;
  to += done * to_stride;
  from += done * from_stride;
  for (int64_t i = done; i < count; ++i, to += to_stride, from += from_stride) {
    for (int64_t b = 0; b < whole; b += 64) {
      _mm512_storeu_si512(to + b, _mm512_loadu_si512(from + b));
    }
    if (mask == 0) continue;
    _mm512_mask_storeu_epi8(to + whole, mask, _mm512_maskz_loadu_epi8(mask, from + whole));
  }
}

using Output = AmxOutput;
using Residual = AmxResidual;

}  // namespace

const AmxKernels kAmxKernels{
    {{{run_tasks<false, Output::kUnsigned, Residual::kNone>,
       run_tasks<false, Output::kUnsigned, Residual::kUnsigned>,
       run_tasks<false, Output::kUnsigned, Residual::kSigned>},
      {run_tasks<false, Output::kSigned, Residual::kNone>,
       run_tasks<false, Output::kSigned, Residual::kUnsigned>,
       run_tasks<false, Output::kSigned, Residual::kSigned>},
      {run_tasks<false, Output::kFloat, Residual::kNone>, nullptr, nullptr}},
     {{run_tasks<true, Output::kUnsigned, Residual::kNone>,
       run_tasks<true, Output::kUnsigned, Residual::kUnsigned>,
       run_tasks<true, Output::kUnsigned, Residual::kSigned>},
      {run_tasks<true, Output::kSigned, Residual::kNone>,
       run_tasks<true, Output::kSigned, Residual::kUnsigned>,
       run_tasks<true, Output::kSigned, Residual::kSigned>},
      {run_tasks<true, Output::kFloat, Residual::kNone>, nullptr, nullptr}}},
    copy_runs};

}  // namespace octile
