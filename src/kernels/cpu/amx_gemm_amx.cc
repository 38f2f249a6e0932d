// INT8 blocks of 32 × 32 outputs with tdpbusd and tdpbssd.
//
//   tiles:   0 1   sums of rows 0 … 15      4   activations of rows 0 … 15     6 7   weights
//            2 3   sums of rows 16 … 31     5   activations of rows 16 … 31
//
// A step is 4 products of 16 cycles for 4 tile loads of 8. Three things would make the multiplier
// wait, and shape the order of what follows (start reading at multiply_block()):
// - A product's sums can be stored 52 cycles later only, and tiles are not renamed. So the sums of
// a
//   block stay in their tiles until the next block's first step, which stores and overwrites two of
//   them while the other two are still being made.
// - Scaling, rounding and packing the sums takes as long as two to four steps. It is done for the
//   block before, in slices of two rows between the products.
// - Weights that stream through the level-1 cache would evict the activations: they bypass it.
#include <immintrin.h>

#include "kernels/cpu/amx_kernel.h"

namespace octile {
namespace {

struct TileConfig {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
alignas(64) constexpr TileConfig kTiles = {
    1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

/// A block whose sums are made and whose outputs are not.
struct Pending {
  int32_t* sums = nullptr;  // [32][32]
  const AmxRowBlock* rows = nullptr;
  uint8_t* out = nullptr;  // of row offset 0, the block's first column
  const uint8_t* residual = nullptr;
  const float* addend = nullptr;
  __m512 scale[2];
  uint32_t columns = 0;      // a bit for each that exists
  int slices = 0, next = 0;  // of two rows: all, and the first that is not written
};

/// What all blocks of a job share.
struct Constants {
  __m512i zero, lo, hi, order;  // words; bytes; bytes
  __m512i residual_zero;
  __m512 residual_multiplier, float_lo, float_hi;
  bool add_zero, clamp;
};

template <AmxOutput kOutput>
inline Constants constants_of(const AmxJob& job) {
  Constants c;
  c.zero = _mm512_set1_epi16(static_cast<int16_t>(job.zero));
  c.lo = _mm512_set1_epi8(static_cast<int8_t>(job.q_lo));
  c.hi = _mm512_set1_epi8(static_cast<int8_t>(job.q_hi));
  c.order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  c.residual_zero = _mm512_set1_epi32(job.residual_zero);
  c.residual_multiplier = _mm512_set1_ps(job.residual_multiplier);
  c.float_lo = _mm512_set1_ps(job.lo);
  c.float_hi = _mm512_set1_ps(job.hi);
  c.add_zero = job.zero != 0;
  constexpr int32_t kLow = kOutput == AmxOutput::kSigned ? -128 : 0;
  c.clamp = job.q_lo > kLow || job.q_hi < kLow + 255;
  return c;
}

template <AmxResidual kResidual>
inline __m512 add_residual(__m512 y, const Constants& c, const uint8_t* r, __mmask16 mask) {
  const __m128i q = _mm_maskz_loadu_epi8(mask, r);
  const __m512i wide =
      kResidual == AmxResidual::kSigned ? _mm512_cvtepi8_epi32(q) : _mm512_cvtepu8_epi32(q);
  const __m512 value = _mm512_cvtepi32_ps(_mm512_sub_epi32(wide, c.residual_zero));
  return _mm512_add_ps(y, _mm512_mul_ps(value, c.residual_multiplier));
}

/// Two rows of 8-bit outputs. Saturating packs clamp to the type: the driver refuses what could
/// leave int32 when scaled. `order` undoes the packs' lanes: [row 0: 32 bytes][row 1: 32 bytes].
template <AmxOutput kOutput, AmxResidual kResidual>
inline void write_bytes(const Pending& p, const Constants& c, int slice) {
  const int32_t* sums = p.sums + 64 * slice;
  const int32_t* offset = p.rows->offset + 2 * slice;
  __m512 y[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    y[i] = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums + 16 * i)), p.scale[i & 1]);
  }
  if (kResidual != AmxResidual::kNone) {
    const auto low = static_cast<__mmask16>(p.columns),
               high = static_cast<__mmask16>(p.columns >> 16);
#pragma GCC unroll 2
    for (int r = 0; r < 2; ++r) {
      const uint8_t* from = p.residual + (offset[r] < 0 ? 0 : offset[r]);
      y[2 * r] = add_residual<kResidual>(y[2 * r], c, from, low);
      y[2 * r + 1] = add_residual<kResidual>(y[2 * r + 1], c, from + 16, high);
    }
  }
  __m512i first = _mm512_packs_epi32(_mm512_cvtps_epi32(y[0]), _mm512_cvtps_epi32(y[1]));
  __m512i second = _mm512_packs_epi32(_mm512_cvtps_epi32(y[2]), _mm512_cvtps_epi32(y[3]));
  if (c.add_zero) {
    first = _mm512_adds_epi16(first, c.zero);
    second = _mm512_adds_epi16(second, c.zero);
  }
  __m512i q;
  if (kOutput == AmxOutput::kSigned) {
    q = _mm512_packs_epi16(first, second);
    if (c.clamp) q = _mm512_min_epi8(_mm512_max_epi8(q, c.lo), c.hi);
  } else {
    q = _mm512_packus_epi16(first, second);
    if (c.clamp) q = _mm512_min_epu8(_mm512_max_epu8(q, c.lo), c.hi);
  }
  q = _mm512_permutexvar_epi32(c.order, q);
  if (p.columns == ~uint32_t{0}) {
    if (offset[0] >= 0) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p.out + offset[0]), _mm512_castsi512_si256(q));
    }
    if (offset[1] >= 0) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p.out + offset[1]),
                          _mm512_extracti64x4_epi64(q, 1));
    }
  } else {
    if (offset[0] >= 0) {
      _mm256_mask_storeu_epi8(p.out + offset[0], p.columns, _mm512_castsi512_si256(q));
    }
    if (offset[1] >= 0) {
      _mm256_mask_storeu_epi8(p.out + offset[1], p.columns, _mm512_extracti64x4_epi64(q, 1));
    }
  }
}

inline void write_floats(const Pending& p, const Constants& c, int slice) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const int32_t offset = p.rows->offset[2 * slice + i / 2];
    const auto mask = static_cast<__mmask16>(p.columns >> (16 * (i & 1)));
    const __m512i sums = _mm512_load_si512(p.sums + 64 * slice + 16 * i);
    __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), p.scale[i & 1]);
    if (p.addend != nullptr) y = _mm512_add_ps(y, _mm512_loadu_ps(p.addend + 16 * (i & 1)));
    y = _mm512_min_ps(_mm512_max_ps(y, c.float_lo), c.float_hi);
    if (offset < 0) continue;
    _mm512_mask_storeu_ps(p.out + 4 * int64_t{offset} + 64 * (i & 1), mask, y);
  }
}

template <AmxOutput kOutput, AmxResidual kResidual>
inline void write_slices(Pending& p, const Constants& c, int count) {
  const int end = p.next + count < p.slices ? p.next + count : p.slices;
  for (; p.next < end; ++p.next) {
    if constexpr (kOutput == AmxOutput::kFloat) {
      write_floats(p, c, p.next);
    } else {
      write_bytes<kOutput, kResidual>(p, c, p.next);
    }
  }
}

/// One block's operands.
struct Block {
  const uint8_t* a;
  int64_t a_stride;
  const int8_t* b;
  const int32_t* bias;
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

/// Blocks under way: the outputs of `pending` are being written, the sums of `held` lie in tiles.
struct Blocks {
  Pending pending, held;
};

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

/// The sums of one block of kM × kN tiles, while those of the held block are written.
template <bool kSigned, AmxOutput kOutput, AmxResidual kResidual, int kM, int kN>
inline void multiply_block(const AmxJob& job, const Block& block, Blocks& blocks,
                           const Constants& c) {
  const int points = static_cast<int>(job.steps) * kM * kN + 1;
  const int count = (blocks.held.slices + points - 1) / points;
  const auto slices = [&] { write_slices<kOutput, kResidual>(blocks.pending, c, count); };
  const int8_t* b = block.b;
  const int64_t below = kAmxTileRows * block.a_stride;

  const uint8_t* a = block.a + job.step_offset[0];
  turn_over<0>(blocks.held, block.bias, true);
  slices();
  load_weights<6>(b, job.stream);
  _tile_loadd(4, a, block.a_stride);
  multiply<kSigned, 0, 0>();
  slices();
  if (kN > 1) {
    load_weights<7>(b + kAmxTileBytes, job.stream);
    multiply<kSigned, 0, 1>();
    slices();
  }
  turn_over<1>(blocks.held, block.bias, kM > 1);
  write_slices<kOutput, kResidual>(blocks.pending, c, blocks.pending.slices);
  blocks.pending = blocks.held;
  if (kM > 1) {
    _tile_loadd(5, a + below, block.a_stride);
    multiply<kSigned, 1, 0>();
    slices();
    if (kN > 1) multiply<kSigned, 1, 1>();
  }
  slices();
  b += kN * kAmxTileBytes;

  for (int64_t s = 1; s < job.steps; ++s, b += kN * kAmxTileBytes) {
    a = block.a + job.step_offset[s];
    load_weights<6>(b, job.stream);
    _tile_loadd(4, a, block.a_stride);
    multiply<kSigned, 0, 0>();
    slices();
    if (kN > 1) {
      load_weights<7>(b + kAmxTileBytes, job.stream);
      multiply<kSigned, 0, 1>();
      slices();
    }
    if (kM > 1) {
      _tile_loadd(5, a + below, block.a_stride);
      multiply<kSigned, 1, 0>();
      slices();
      if (kN > 1) {
        multiply<kSigned, 1, 1>();
        slices();
      }
    }
  }
}

template <bool kSigned, AmxOutput kOutput, AmxResidual kResidual>
void run_tasks(const AmxJob& job, int64_t begin, int64_t end, int32_t* sums) {
  _tile_loadconfig(&kTiles);
  const Constants c = constants_of<kOutput>(job);
  constexpr int64_t kSize = kOutput == AmxOutput::kFloat ? 4 : 1;
  const int64_t column_blocks = job.groups * job.group_blocks;
  Blocks blocks;
  Pending& held = blocks.held;
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
      const Block block{
          a + group * job.group_in, moved ? job.last_stride : job.a_stride,
          job.weights + group * job.group_bytes + in_group * job.steps * 2 * kAmxTileBytes,
          job.bias + table};
      if (rows->tiles > 1) {
        left > 16 ? multiply_block<kSigned, kOutput, kResidual, 2, 2>(job, block, blocks, c)
                  : multiply_block<kSigned, kOutput, kResidual, 2, 1>(job, block, blocks, c);
      } else {
        left > 16 ? multiply_block<kSigned, kOutput, kResidual, 1, 2>(job, block, blocks, c)
                  : multiply_block<kSigned, kOutput, kResidual, 1, 1>(job, block, blocks, c);
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
    }
  }
  turn_over<0>(held, nullptr, false);
  turn_over<1>(held, nullptr, false);
  write_slices<kOutput, kResidual>(blocks.pending, c, blocks.pending.slices);
  write_slices<kOutput, kResidual>(held, c, held.slices);
  _tile_release();
}

void copy_runs(uint8_t* to, int64_t to_stride, const uint8_t* from, int64_t from_stride,
               int64_t bytes, int64_t count) {
  const int64_t whole = bytes / 64 * 64;
  const __mmask64 mask = (uint64_t{1} << (bytes - whole)) - 1;
  for (int64_t i = 0; i < count; ++i, to += to_stride, from += from_stride) {
    for (int64_t b = 0; b < whole; b += 64) {
      _mm512_storeu_si512(to + b, _mm512_loadu_si512(from + b));
    }
    if (mask != 0)
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
