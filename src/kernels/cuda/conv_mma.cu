// Implicit-gemm convolution and matrix product by mma.sync (sm_75 and later): rows are output
// pixels, columns output channels, K runs over (kernel row, kernel column, channel). Start reading
// at conv_mma(). Small grids are cut along K too; the last block of a tile to arrive adds up.
//
// Shared memory, a stage: A (kRows, 64 bytes) and B (kColumns, 64 bytes); 16-byte chunk c of line r
// lies at place c ^ (r / 2 % 4), so that eight neighbouring lines of one chunk touch all banks.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_gather.h"
#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/device/copy.h"
#include "kernels/cuda/device/mma.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/launch.h"

namespace octile::cuda {
namespace {

constexpr int kBlockK = kGatherLine;
constexpr int kStages = 4;

/// kVector: bytes of one load of x. 16 and 4 want as many to divide in_c; 1 takes any run.
template <int kRowWarps_, int kColumnWarps_, int kRowTiles_, bool kUnsigned_, int kVector_>
struct Tile {
  static constexpr int kRowWarps = kRowWarps_, kColumnWarps = kColumnWarps_;
  static constexpr int kRowTiles = kRowTiles_;  // of 16 rows, a warp; its columns are 64
  static constexpr bool kUnsigned = kUnsigned_;
  static constexpr int kVector = kVector_;
  static constexpr int kThreads = 32 * kRowWarps * kColumnWarps;
  static constexpr int kRows = 16 * kRowTiles * kRowWarps, kColumns = 64 * kColumnWarps;
  static constexpr int kStageBytes = (kRows + kColumns) * kBlockK;
  static constexpr int kSharedBytes = kStages * kStageBytes;
  static constexpr int kLinesOfA = kRows * 4 / kThreads;  // a thread loads one chunk of each
  static constexpr int kLinesOfB = kColumns * 4 / kThreads;
  static constexpr int kSums = kRowTiles * 32;  // a thread
};

/// The rows of A that a thread loads, and where in K it stands.
template <class T>
struct Gather {
  WindowRow rows[T::kLinesOfA];
  RunPlace at;

  __device__ __forceinline__ Gather(const ConvParams& p, int first_row, int first_byte) {
    const auto thread = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < T::kLinesOfA; ++i) {
      rows[i].set(p, first_row + thread / 4 + i * (T::kThreads / 4));
    }
    at.set(p, first_byte + thread % 4 * 16);
  }

  /// One chunk of line i; what lies on the padding, or beyond the channels, comes from the border.
  __device__ __forceinline__ void load(const ConvParams& p, int i, uint8_t* s_target) const {
    const Tap tap(p, rows[i], at);
    if constexpr (T::kVector == 16) {
      copy_async<16>(s_target, tap.in_image ? tap.source + at.c : p.border);
    } else if constexpr (T::kVector == 4) {
#pragma unroll
      for (int b = 0; b < 16; b += 4) {
        const bool inside = tap.in_image && at.c + b < p.in_c;
        copy_async<4>(s_target + b, inside ? tap.source + at.c + b : p.border);
      }
    } else {
      *reinterpret_cast<uint4*>(s_target) = load_bytewise(p, tap, at.c);
    }
  }
};

template <class T>
__device__ __forceinline__ void load_a(const ConvParams& p, Gather<T>& gather, uint8_t* s_stage) {
  const int line = static_cast<int>(threadIdx.x) / 4, chunk = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
  for (int i = 0; i < T::kLinesOfA; ++i) {
    gather.load(p, i, s_stage + chunk_offset(line + i * (T::kThreads / 4), chunk));
  }
  gather.at.advance(p, kBlockK);
}

template <class T>
__device__ __forceinline__ void load_b(const ConvParams& p, const int8_t* g_b, uint8_t* s_stage) {
  const int line = static_cast<int>(threadIdx.x) / 4, chunk = static_cast<int>(threadIdx.x) % 4;
  uint8_t* s_b = s_stage + T::kRows * kBlockK;
#pragma unroll
  for (int i = 0; i < T::kLinesOfB; ++i) {
    const int column = line + i * (T::kThreads / 4);
    copy_async<16>(s_b + chunk_offset(column, chunk),
                   g_b + static_cast<int64_t>(column) * p.k_bytes + chunk * 16);
  }
}

/// sums += A · B of one stage.
template <class T>
__device__ __forceinline__ void multiply_stage(int32_t (&sums)[T::kRowTiles][8][4],
                                               const uint8_t* s_stage, int row, int column) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const uint32_t s_a = shared_address(s_stage), s_b = s_a + T::kRows * kBlockK;
#pragma unroll
  for (int k = 0; k < kBlockK / 32; ++k) {
    uint32_t a[T::kRowTiles][4], b[4][4];
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
      load_matrices(a[i], s_a + chunk_offset(row + 16 * i + lane % 16, 2 * k + lane / 16));
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      load_matrices(b[j], s_b + chunk_offset(column + 16 * j + lane / 16 * 8 + lane % 8,
                                             2 * k + lane / 8 % 2));
    }
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        mma_16x8x32<T::kUnsigned>(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
      }
    }
  }
}

/// Leaves this block's sums to the last block of the tile. True in that block, with all sums.
template <class T>
__device__ bool gather_splits(const ConvParams& p, int32_t (&sums)[T::kRowTiles][8][4]) {
  __shared__ bool s_last;
  const int tile = static_cast<int>(blockIdx.y * gridDim.x + blockIdx.x);
  int32_t* partial =
      p.partial + static_cast<int64_t>(tile) * p.splits * T::kSums * T::kThreads + threadIdx.x * 4;
  const auto at = [&](int split, int i, int j) {
    return reinterpret_cast<int4*>(partial +
                                   ((split * T::kRowTiles + i) * 8 + j) * 4 * T::kThreads);
  };
#pragma unroll
  for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const auto& s = sums[i][j];
      __stcg(at(static_cast<int>(blockIdx.z), i, j), make_int4(s[0], s[1], s[2], s[3]));
    }
  }
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    s_last = atomicInc(p.counters + tile, static_cast<unsigned>(p.splits) - 1) ==
             static_cast<unsigned>(p.splits) - 1;  // and the counter is 0 again
  }
  __syncthreads();
  if (!s_last) return false;
  __threadfence();
  for (int split = 0; split < p.splits; ++split) {
    if (split == static_cast<int>(blockIdx.z)) continue;
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        const int4 v = __ldcg(at(split, i, j));
        sums[i][j][0] += v.x, sums[i][j][1] += v.y, sums[i][j][2] += v.z, sums[i][j][3] += v.w;
      }
    }
  }
  return true;
}

template <class T>
__global__ void __launch_bounds__(T::kThreads) conv_mma(const __grid_constant__ ConvParams p) {
  extern __shared__ __align__(128) uint8_t s_stages[];
  const int first_row = static_cast<int>(blockIdx.x) * T::kRows;
  const int first_column = static_cast<int>(blockIdx.y) * T::kColumns;
  const int blocks = p.k_bytes / kBlockK;
  const int first = blocks * static_cast<int>(blockIdx.z) / p.splits;
  const int count = blocks * static_cast<int>(blockIdx.z + 1) / p.splits - first;

  Gather<T> gather(p, first_row, first * kBlockK);
  const int8_t* g_b = p.weights + static_cast<int64_t>(first_column) * p.k_bytes + first * kBlockK;
#pragma unroll
  for (int s = 0; s < kStages - 1; ++s) {
    if (s < count) load_b<T>(p, g_b + s * kBlockK, s_stages + s * T::kStageBytes);
  }
  wait_for_earlier_kernels();
#pragma unroll
  for (int s = 0; s < kStages - 1; ++s) {
    if (s < count) load_a<T>(p, gather, s_stages + s * T::kStageBytes);
    commit_copies();
  }

  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int row = warp / T::kColumnWarps * 16 * T::kRowTiles;  // within the tile
  const int column = warp % T::kColumnWarps * 64;
  int32_t sums[T::kRowTiles][8][4] = {};
  for (int k = 0; k < count; ++k) {
    wait_copies<kStages - 2>();
    __syncthreads();
    const int next = k + kStages - 1;
    if (next < count) {
      uint8_t* s_next = s_stages + next % kStages * T::kStageBytes;
      load_a<T>(p, gather, s_next);
      load_b<T>(p, g_b + next * kBlockK, s_next);
    }
    commit_copies();
    multiply_stage<T>(sums, s_stages + k % kStages * T::kStageBytes, row, column);
  }
  if (p.splits > 1 && !gather_splits<T>(p, sums)) return;

  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int channel = first_column + column + lane % 4 * 16;
  by_finish(p.tail, [&]<Finish kFinish, bool kResidual>() {
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
      finish_lines<kFinish, kResidual, 2, 16>(
          p.tail, first_row + row + 16 * i + lane / 4, 8, p.tail.rows, channel,
          [&](int line, int c) { return sums[i][c / 2][2 * line + c % 2]; });
    }
  });
}

// ---- the host side ------------------------------------------------------------------------------

PackedLayout layout_of(const ConvProblem& p) { return gather_layout(p, 128, kBlockK); }

size_t packed_bytes(const ConvKernel&, const ConvProblem& p) { return layout_of(p).bytes(); }

void pack(const ConvKernel&, const ConvProblem& p, const ConvWeights& weights, uint8_t* packed) {
  const PackedLayout layout = layout_of(p);
  uint8_t* target = begin_packing(p, weights, layout, packed);
  const int64_t runs = run_count(p), run = run_length(p);
  for (int column = 0; column < layout.columns; ++column) {
    const int channel = channel_of_column(column);
    if (channel >= p.out_c) continue;
    for (int64_t r = 0; r < runs; ++r) {
      std::memcpy(target + column * layout.k_bytes + r * run_bytes(p),
                  weights.weights + (channel * runs + r) * run, static_cast<size_t>(run));
    }
  }
}

struct Variant {
  int rows, columns;
  bool split;
};
constexpr Variant kVariants[] = {
    {128, 128, false}, {128, 64, false}, {64, 64, false}, {64, 64, true}, {128, 64, true}};

int64_t tiles_of(const Variant& v, const ConvProblem& p) {
  return (p.batch * p.out_h * p.out_w + v.rows - 1) / v.rows *
         ((p.out_c + v.columns - 1) / v.columns);
}

/// Parts of K: as many as give every multiprocessor two blocks, of four steps of K at least.
int splits_of(const Variant& v, const ConvProblem& p, const ConvDevice& device) {
  if (!v.split) return 1;
  const int64_t wanted = 2 * device.multiprocessors / tiles_of(v, p);
  const int64_t most = layout_of(p).k_bytes / kBlockK / 4;
  return static_cast<int>(std::clamp<int64_t>(std::min(wanted, most), 1, 32));
}

std::string refuse(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  if (auto reason = refuse_common(kernel, p, device); !reason.empty()) return reason;
  if (p.x_type == ConvType::kFloat) return "reads 8-bit inputs alone";
  if (p.groups != 1) return "takes one group";
  const Variant& v = kVariants[kernel.variant];
  if (v.rows == 128 && v.columns == 128 && p.in_c % 16 != 0) return "wants channels in sixteens";
  if (v.split && splits_of(v, p, device) < 2) return "the grid is large enough without parts of K";
  if (v.split && tiles_of(v, p) > static_cast<int64_t>(kConvCounters)) return "too many tiles";
  if (tiles_of(v, p) / ((p.out_c + v.columns - 1) / v.columns) > 2147483647) return "too large";
  return "";
}

size_t workspace_bytes(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  const Variant& v = kVariants[kernel.variant];
  const int splits = splits_of(v, p, device);
  return splits == 1 ? 0 : static_cast<size_t>(tiles_of(v, p) * splits * v.rows * v.columns * 4);
}

template <class T>
void start(const ConvKernel& kernel, const ConvParams& params, Stream stream) {
  const dim3 grid(static_cast<unsigned>((params.tail.rows + T::kRows - 1) / T::kRows),
                  static_cast<unsigned>((params.tail.out_c + T::kColumns - 1) / T::kColumns),
                  static_cast<unsigned>(params.splits));
  start_kernel(conv_mma<T>, {grid, T::kThreads, T::kSharedBytes, stream}, params);
  check_launch(kernel);
}

template <bool kUnsigned>
void start_any(const ConvKernel& kernel, const ConvParams& params, Stream stream) {
  const Variant& v = kVariants[kernel.variant];
  const bool wide = params.in_c % 16 == 0, words = params.in_c % 4 == 0;
  if (v.columns == 128) return start<Tile<4, 2, 2, kUnsigned, 16>>(kernel, params, stream);
  if (v.rows == 128) {
    if (wide) return start<Tile<4, 1, 2, kUnsigned, 16>>(kernel, params, stream);
    if (words) return start<Tile<4, 1, 2, kUnsigned, 4>>(kernel, params, stream);
    return start<Tile<4, 1, 2, kUnsigned, 1>>(kernel, params, stream);
  }
  if (wide) return start<Tile<4, 1, 1, kUnsigned, 16>>(kernel, params, stream);
  if (words) return start<Tile<4, 1, 1, kUnsigned, 4>>(kernel, params, stream);
  return start<Tile<4, 1, 1, kUnsigned, 1>>(kernel, params, stream);
}

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
            const ConvOperands& operands, Stream stream) {
  ConvParams params = conv_params(p, operands, layout_of(p));
  set_gather(params, p);
  params.splits = splits_of(kVariants[kernel.variant], p, device);
  params.partial = static_cast<int32_t*>(operands.workspace);
  p.x_type == ConvType::kU8 ? start_any<true>(kernel, params, stream)
                            : start_any<false>(kernel, params, stream);
}

constexpr ConvKernel row(const char* name, int variant) {
  return {name, 75, false, variant, refuse, packed_bytes, pack, workspace_bytes, launch};
}

}  // namespace

extern const ConvKernel kConvMma128x128, kConvMma128x64, kConvMma64x64, kConvMma64x64Split,
    kConvMma128x64Split;
const ConvKernel kConvMma128x128 = row("cuda.mma.128x128", 0);
const ConvKernel kConvMma128x64 = row("cuda.mma.128x64", 1);
const ConvKernel kConvMma64x64 = row("cuda.mma.64x64", 2);
const ConvKernel kConvMma64x64Split = row("cuda.mma.64x64.split", 3);
const ConvKernel kConvMma128x64Split = row("cuda.mma.128x64.split", 4);

}  // namespace octile::cuda
