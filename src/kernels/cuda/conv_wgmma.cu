// Implicit-gemm convolution and matrix product for sm_90a: the tensor copy engine fills a ring of
// stages in shared memory, two warpgroups multiply (wgmma) and finish the outputs in registers.
// Persistent: a block walks over tiles; one thread starts the copies, as many stages ahead as there
// are, so that those of the next tile run under the end of the one before. There is no warp of its
// own for them: 8 warps a block leave each thread 255 registers, or 128 with two blocks, where a
// ninth would cost a third of them. Start reading at conv_wgmma().
//
// Rows are output pixels: those of a matrix product come as boxes of a matrix; those of a
// convolution as pixels of its windows, one kernel tap and `line_bytes` channels a stage (im2col
// mode of the copy engine, which does strides and fills the padding with zeros). A stage:
// A (128, line_bytes), B (kColumns, line_bytes), swizzled by the line.
#include <cuda.h>
#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/conv_wgmma_problem.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/device/ring.h"
#include "kernels/cuda/device/tma.h"
#include "kernels/cuda/device/wgmma.h"
#include "kernels/cuda/device/window_walk.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/tensor_map.h"

namespace octile::cuda {
namespace {

constexpr int kRows = 128, kThreads = 256;
constexpr int kMostStages = 8;
constexpr int kGroup = 16;  // row tiles that share B in the L2 cache while it is there

struct WgmmaParams {
  ConvParams conv;
  int32_t line_bytes = 128;    // 64 or 128: channels of one stage
  int32_t channel_blocks = 1;  // stages of one tap
  int32_t steps = 1;           // stages of a tile
  int32_t stages = 2;          // that shared memory holds
  int32_t row_tiles = 1, column_tiles = 1;
  int32_t by_pixels = 0;  // im2col
  FastDivide group;       // by kGroup · column_tiles
};

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

struct TilePlace {
  int row, column;  // in tiles
  __device__ __forceinline__ TilePlace(const WgmmaParams& p, int tile) {
    uint32_t group, place;
    p.group.split(static_cast<uint32_t>(tile), group, place);
    const int first = static_cast<int>(group) * kGroup, within = static_cast<int>(place);
    const int rows = min(kGroup, p.row_tiles - first);
    column = rows == kGroup ? within / kGroup : within / rows;
    row = first + within - column * rows;
  }
};

/// The copies of all this block's tiles, one stage a call, by one thread.
template <int kColumns>
struct Feed {
  const WgmmaParams& p;
  const CUtensorMap *map_a, *map_b;
  uint8_t* s_stages;
  uint64_t *s_full, *s_empty;
  int tile, step = 0;
  int row = 0, column = 0;  // of the output
  WindowWalk walk;
  Ring ring;

  __device__ __forceinline__ void next() {
    if (tile >= p.row_tiles * p.column_tiles) return;
    const bool by_pixels = p.by_pixels != 0;
    if (step == 0) {
      const TilePlace place(p, tile);
      row = place.row * kRows, column = place.column * kColumns;
      walk.begin(p.conv, by_pixels, row);
    }
    const uint32_t bytes = (kRows + kColumns) * p.line_bytes;
    uint8_t* s_a = s_stages + ring.stage * bytes;
    uint64_t* s_barrier = s_full + ring.stage;
    barrier_wait(s_empty + ring.stage, ring.parity ^ 1);
    barrier_expect(s_barrier, bytes);
    walk.copy(p.conv, by_pixels, row, p.line_bytes, p.channel_blocks * p.line_bytes, s_a, map_a,
              s_barrier);
    copy_box(s_a + kRows * p.line_bytes, map_b, step * p.line_bytes, column, s_barrier);
    ring.advance(p.stages);
    if (++step == p.steps) step = 0, tile += static_cast<int>(gridDim.x);
  }
};

/// sums = A · B of this warpgroup's 64 rows; stages are given back as soon as they were read.
template <int kColumns, bool kUnsigned, int kLine>
__device__ __forceinline__ void multiply_tile(int32_t (&sums)[kColumns / 2], Feed<kColumns>& feed,
                                              Ring& ring) {
  constexpr int kStageBytes = (kRows + kColumns) * kLine;
  const int group = static_cast<int>(threadIdx.x) / 128, steps = feed.p.steps;
  const uint32_t s_stages = shared_address(feed.s_stages);
  int previous = 0;
  const auto release = [&] {  // the stage before was read
    if (threadIdx.x % 32 == 0) barrier_arrive(feed.s_empty + previous);
    if (threadIdx.x == 0) feed.next();
    __syncwarp();
  };
  for (int step = 0; step < steps; ++step) {
    barrier_wait(feed.s_full + ring.stage, ring.parity);
    const uint32_t s_a = s_stages + static_cast<uint32_t>(ring.stage * kStageBytes);
    const uint64_t a = matrix_descriptor(s_a + static_cast<uint32_t>(group * 64 * kLine), kLine);
    const uint64_t b = matrix_descriptor(s_a + static_cast<uint32_t>(kRows * kLine), kLine);
    wgmma_pin(sums);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kLine / 32; ++k) {
      wgmma<kUnsigned>(sums, a + 2 * k, b + 2 * k, step | k);
    }
    wgmma_commit();
    if (step > 0) {
      wgmma_wait<1>();
      release();
    }
    previous = ring.stage;
    ring.advance(feed.p.stages);
  }
  wgmma_wait<0>();
  wgmma_pin(sums);
  release();
}

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

template <int kColumns, bool kUnsigned, int kLine, int kBlocks>
__global__ void __launch_bounds__(kThreads, kBlocks)
    conv_wgmma(const __grid_constant__ WgmmaParams p, const __grid_constant__ CUtensorMap map_a,
               const __grid_constant__ CUtensorMap map_b) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) uint8_t s_stages[];
  __shared__ uint64_t s_full[kMostStages], s_empty[kMostStages];
  const auto block = static_cast<int>(blockIdx.x);
  Feed<kColumns> feed{p, &map_a, &map_b, s_stages, s_full, s_empty, block};
  if (threadIdx.x == 0) {
    for (int i = 0; i < p.stages; ++i) barrier_init(s_full + i, 1), barrier_init(s_empty + i, 8);
    barrier_init_done();
  }
  wait_for_earlier_kernels();
  if (threadIdx.x == 0) {
    for (int i = 0; i < p.stages; ++i) feed.next();
  }
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const ConvTail& tail = p.conv.tail;
  Ring ring;
  for (int tile = block; tile < p.row_tiles * p.column_tiles; tile += static_cast<int>(gridDim.x)) {
    int32_t sums[kColumns / 2];
    multiply_tile<kColumns, kUnsigned, kLine>(sums, feed, ring);
    const TilePlace place(p, tile);
    const int row = place.row * kRows + warp * 16 + lane / 4;
    const int channel = place.column * kColumns + lane % 4 * 16;
    by_finish(tail, [&]<Finish kFinish, bool kResidual>() {
#pragma unroll
      for (int u = 0; u < kColumns / 64; ++u) {
        finish_lines<kFinish, kResidual, 2, 16>(
            tail, row, 8, tail.rows, channel + 64 * u,
            [&](int line, int c) { return sums[32 * u + c / 2 * 4 + 2 * line + c % 2]; });
      }
    });
  }
#endif
}

// ---- the host side ------------------------------------------------------------------------------

struct Variant {
  int columns, blocks;  // of a tile; on a multiprocessor
};
constexpr Variant kVariants[] = {{256, 1}, {128, 2}, {64, 2}};

std::string refuse(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  return refuse_wgmma(kernel, p, device, kVariants[kernel.variant].columns);
}

template <int kColumns, int kBlocks>
void start(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
           const ConvOperands& operands, Stream stream) {
  WgmmaParams params{.conv = conv_params(p, operands, wgmma_layout(p))};
  params.line_bytes = wgmma_line_bytes(p), params.channel_blocks = wgmma_channel_blocks(p);
  params.steps = p.kernel_h * p.kernel_w * params.channel_blocks;
  params.row_tiles = (params.conv.tail.rows + kRows - 1) / kRows;
  params.column_tiles = (p.out_c + kColumns - 1) / kColumns;
  params.by_pixels = !is_product(p);
  params.group = FastDivide(static_cast<uint32_t>(kGroup * params.column_tiles));
  const int stage_bytes = (kRows + kColumns) * params.line_bytes;
  // A multiprocessor has 1 KiB more than one block may use; each block costs 1, its barriers 1.
  const int room = (device.shared_bytes + 1024) / kBlocks - 1024 - 1024;
  params.stages = std::min(kMostStages, room / stage_bytes);
  const int shared_bytes = params.stages * stage_bytes;

  const CUtensorMap map_b = matrix_map(kernel, params.conv.weights, params.conv.columns,
                                       params.conv.k_bytes, kColumns, params.line_bytes);
  const CUtensorMap map_a = wgmma_pixels(kernel, p, params.conv.x, kRows);
  const int64_t tiles = int64_t{params.row_tiles} * params.column_tiles;
  const auto grid =
      static_cast<unsigned>(std::min<int64_t>(tiles, device.multiprocessors * kBlocks));
  const bool is_unsigned = p.x_type == ConvType::kU8, long_lines = params.line_bytes == 128;
  const auto function = is_unsigned ? (long_lines ? conv_wgmma<kColumns, true, 128, kBlocks>
                                                  : conv_wgmma<kColumns, true, 64, kBlocks>)
                                    : (long_lines ? conv_wgmma<kColumns, false, 128, kBlocks>
                                                  : conv_wgmma<kColumns, false, 64, kBlocks>);
  start_kernel(function, {grid, kThreads, shared_bytes, stream}, params, map_a, map_b);
  check_launch(kernel);
}

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
            const ConvOperands& operands, Stream stream) {
  switch (kVariants[kernel.variant].columns) {
    case 256: return start<256, 1>(kernel, p, device, operands, stream);
    case 128: return start<128, 2>(kernel, p, device, operands, stream);
    default: return start<64, 2>(kernel, p, device, operands, stream);
  }
}

constexpr ConvKernel row(const char* name, int variant) {
  return {name, 90, true, variant, refuse, wgmma_packed_bytes, pack_wgmma, no_workspace, launch};
}

}  // namespace

extern const ConvKernel kConvWgmma256, kConvWgmma128, kConvWgmma64;
const ConvKernel kConvWgmma256 = row("cuda.wgmma.128x256", 0);
const ConvKernel kConvWgmma128 = row("cuda.wgmma.128x128", 1);
const ConvKernel kConvWgmma64 = row("cuda.wgmma.128x64", 2);

}  // namespace octile::cuda
