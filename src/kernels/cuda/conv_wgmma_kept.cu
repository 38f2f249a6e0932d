// Implicit-gemm convolution and matrix product for sm_90a where the weights of a column tile fit
// into shared memory: they are copied there once and stay. Four warpgroups a multiprocessor walk
// over tiles of 64 or 128 rows, each by itself with a ring of stages of its own, so that one's end
// (bias, multiplier, stores) runs under the products and copies of the others: what counts where K
// is short and memory is the ceiling. Start reading at conv_wgmma_kept(); conv_wgmma.cu is the form
// for long K.
//
// A stage: a box A (rows, line_bytes), swizzled by the line; weights: `steps` boxes (kColumns,
// line_bytes). The first thread of a warpgroup starts its copies.
#include <cuda.h>
#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_kept_columns.h"
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

constexpr int kGroups = 4, kThreads = 128 * kGroups;  // warpgroups of a block
constexpr int kMostStages = 8, kLeastStages = 3;

struct KeptParams {
  ConvParams conv;
  int32_t channel_blocks = 1;  // steps of one tap
  int32_t steps = 1;           // of K: boxes of a tile
  int32_t stages = kLeastStages;
  int32_t row_tiles = 1, column_tiles = 1;
  int32_t by_pixels = 0;  // im2col
};

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

/// The copies of all tiles of one warpgroup, one stage a call, by one thread.
template <int kRows, int kLine>
struct RowFeed {
  const KeptParams& p;
  const CUtensorMap* map;
  uint8_t* s_stages;
  uint64_t *s_full, *s_empty;
  int tile, stride;  // tiles of rows: the next, and from one to the next
  int step = 0;
  WindowWalk walk;
  Ring ring;

  __device__ __forceinline__ void next() {
    if (tile >= p.row_tiles) return;
    const bool by_pixels = p.by_pixels != 0;
    if (step == 0) walk.begin(p.conv, by_pixels, tile * kRows);
    uint64_t* s_barrier = s_full + ring.stage;
    barrier_wait(s_empty + ring.stage, ring.parity ^ 1);
    barrier_expect(s_barrier, kRows * kLine);
    walk.copy(p.conv, by_pixels, tile * kRows, kLine, p.channel_blocks * kLine,
              s_stages + ring.stage * (kRows * kLine), map, s_barrier);
    ring.advance(p.stages);
    if (++step == p.steps) step = 0, tile += stride;
  }
};

/// sums = A · B of one tile, 64 rows after 64 rows. The copies run `stages` − 2 ahead: the stage
/// that they go into was read by all warps a stage ago, so that nobody waits for it.
template <int kBlocks, int kColumns, bool kUnsigned, int kLine>
__device__ __forceinline__ void multiply_rows(int32_t (&sums)[kBlocks][kColumns / 2],
                                              RowFeed<64 * kBlocks, kLine>& feed, Ring& ring,
                                              const uint8_t* s_weights) {
  constexpr int kBlockBytes = 64 * kLine;
  const int steps = feed.p.steps, lane = static_cast<int>(threadIdx.x) % 128;
  int previous = 0;
  for (int step = 0; step < steps; ++step) {
    barrier_wait(feed.s_full + ring.stage, ring.parity);
    const MatrixPlace a(feed.s_stages + ring.stage * (kBlocks * kBlockBytes), kLine);
    const MatrixPlace b(s_weights + step * kColumns * kLine, kLine);
#pragma unroll
    for (int m = 0; m < kBlocks; ++m) wgmma_pin(sums[m]);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kLine / 32; ++k) {
#pragma unroll
      for (int m = 0; m < kBlocks; ++m) {
        wgmma<kUnsigned>(sums[m], a.at(m * kBlockBytes + 32 * k), b.at(32 * k), step | k);
      }
    }
    wgmma_commit();
    if (lane == 0) feed.next();
    __syncwarp();
    if (step > 0) {
      wgmma_wait<1>();
      if (lane % 32 == 0) barrier_arrive(feed.s_empty + previous);
    }
    previous = ring.stage;
    ring.advance(feed.p.stages);
  }
  wgmma_wait<0>();
#pragma unroll
  for (int m = 0; m < kBlocks; ++m) wgmma_pin(sums[m]);
  if (lane % 32 == 0) barrier_arrive(feed.s_empty + previous);
}

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

template <int kBlocks, int kColumns, bool kUnsigned, int kLine>
__global__ void __launch_bounds__(kThreads, 1)
    conv_wgmma_kept(const __grid_constant__ KeptParams p, const __grid_constant__ CUtensorMap map_a,
                    const __grid_constant__ CUtensorMap map_b) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  constexpr int kRows = 64 * kBlocks, kLines = 2 * kBlocks;
  extern __shared__ __align__(1024) uint8_t s_memory[];
  __shared__ uint64_t s_full[kGroups][kMostStages], s_empty[kGroups][kMostStages], s_kept;
  __shared__ KeptColumns<kColumns> s_columns;
  const int group = static_cast<int>(threadIdx.x) / 128;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int column = static_cast<int>(blockIdx.x) % p.column_tiles * kColumns;
  const int walker = static_cast<int>(blockIdx.x) / p.column_tiles * kGroups + group;
  const int stride = static_cast<int>(gridDim.x) / p.column_tiles * kGroups;
  uint8_t* s_stages = s_memory + p.steps * kColumns * kLine;
  RowFeed<kRows, kLine> feed{
      p,      &map_a, s_stages + group * p.stages * kRows * kLine, s_full[group], s_empty[group],
      walker, stride};
  if (threadIdx.x % 128 == 0) {
    for (int i = 0; i < p.stages; ++i) {
      barrier_init(feed.s_full + i, 1), barrier_init(feed.s_empty + i, 4);
    }
    if (group == 0) barrier_init(&s_kept, 1);
    barrier_init_done();
  }
  if (threadIdx.x == 0) {
    barrier_expect(&s_kept, static_cast<uint32_t>(p.steps * kColumns * kLine));
    for (int step = 0; step < p.steps; ++step) {
      copy_box(s_memory + step * kColumns * kLine, &map_b, step * kLine, column, &s_kept);
    }
  }
  const ConvTail& tail = p.conv.tail;
  s_columns.load(tail, column, p.conv.columns);
  wait_for_earlier_kernels();
  if (threadIdx.x % 128 == 0) {
    for (int i = 0; i < p.stages - 2; ++i) feed.next();
  }
  __syncthreads();
  barrier_wait(&s_kept, 0);

  const int quad = lane % 4, first = static_cast<int>(threadIdx.x) % 128 / 32 * 16 + lane / 4;
  by_finish(tail, [&]<Finish kFinish, bool kResidual>() {
    Ring ring;
    for (int tile = walker; tile < p.row_tiles; tile += stride) {
      const int row = tile * kRows + first;
      uint4 residual[kColumns / 64][kLines];
      if constexpr (kResidual) {
#pragma unroll
        for (int u = 0; u < kColumns / 64; ++u) {
          load_residual<true>(tail, row, 8, tail.rows, column + 64 * u + 16 * quad, residual[u]);
        }
      }
      int32_t sums[kBlocks][kColumns / 2];
      multiply_rows<kBlocks, kColumns, kUnsigned, kLine>(sums, feed, ring, s_memory);
#pragma unroll
      for (int u = 0; u < kColumns / 64; ++u) {
        const QuadColumns columns(s_columns, 16 * u + quad);
        finish_lines<kFinish, kResidual, kLines, 16, true>(
            tail, row, 8, tail.rows, column + 64 * u + 16 * quad, columns, residual[u],
            [&](int line, int c) {
              return sums[line / 2][32 * u + c / 2 * 4 + 2 * (line % 2) + c % 2];
            });
      }
    }
  });
#endif
}

// ---- the host side ------------------------------------------------------------------------------

struct Variant {
  int blocks, columns;  // of a warpgroup's tile: 64 · blocks rows
};
constexpr Variant kVariants[] = {{1, 128}, {2, 64}};

int32_t steps_of(const ConvProblem& p) { return p.kernel_h * p.kernel_w * wgmma_channel_blocks(p); }

int64_t weight_bytes(const ConvProblem& p, const Variant& variant) {
  return int64_t{steps_of(p)} * variant.columns * wgmma_line_bytes(p);
}

/// Of a ring; less than kLeastStages: the weights leave no room.
int stages_of(const ConvProblem& p, const ConvDevice& device, const Variant& variant) {
  const int64_t room = device.shared_bytes - 4096 - weight_bytes(p, variant);  // barriers, bias
  const int64_t stage = int64_t{64} * variant.blocks * wgmma_line_bytes(p);
  return static_cast<int>(
      std::min<int64_t>(kMostStages, std::max<int64_t>(room, 0) / (kGroups * stage)));
}

std::string refuse(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  const Variant& variant = kVariants[kernel.variant];
  const int columns = variant.columns;
  if (auto reason = refuse_wgmma(kernel, p, device, columns); !reason.empty()) return reason;
  if (p.out_c % 16 != 0) return "wants output channels in sixteens";
  if (stages_of(p, device, variant) < kLeastStages) return "the weights are too large to be kept";
  if ((p.out_c + columns - 1) / columns > device.multiprocessors) {
    return "more column tiles than multiprocessors";
  }
  return "";
}

template <int kBlocks, int kColumns>
void start(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
           const ConvOperands& operands, Stream stream) {
  constexpr int kRows = 64 * kBlocks;
  const int line = wgmma_line_bytes(p);
  KeptParams params{.conv = conv_params(p, operands, wgmma_layout(p))};
  params.channel_blocks = wgmma_channel_blocks(p);
  constexpr Variant kVariant{kBlocks, kColumns};
  params.steps = steps_of(p);
  params.stages = stages_of(p, device, kVariant);
  params.row_tiles = (params.conv.tail.rows + kRows - 1) / kRows;
  params.column_tiles = (p.out_c + kColumns - 1) / kColumns;
  params.by_pixels = !is_product(p);
  const CUtensorMap map_a = wgmma_pixels(kernel, p, params.conv.x, kRows);
  const CUtensorMap map_b = matrix_map(kernel, params.conv.weights, params.conv.columns,
                                       params.conv.k_bytes, kColumns, line);
  const int wanted = (params.row_tiles + kGroups - 1) / kGroups;
  const int grid =
      std::min(wanted, device.multiprocessors / params.column_tiles) * params.column_tiles;
  const bool is_unsigned = p.x_type == ConvType::kU8;
  const auto function = is_unsigned ? (line == 128 ? conv_wgmma_kept<kBlocks, kColumns, true, 128>
                                                   : conv_wgmma_kept<kBlocks, kColumns, true, 64>)
                                    : (line == 128 ? conv_wgmma_kept<kBlocks, kColumns, false, 128>
                                                   : conv_wgmma_kept<kBlocks, kColumns, false, 64>);
  const auto shared_bytes =
      static_cast<int>(weight_bytes(p, kVariant) + kGroups * params.stages * kRows * line);
  start_kernel(function, {static_cast<unsigned>(grid), kThreads, shared_bytes, stream}, params,
               map_a, map_b);
  check_launch(kernel);
}

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
            const ConvOperands& operands, Stream stream) {
  if (kernel.variant == 0) return start<1, 128>(kernel, p, device, operands, stream);
  start<2, 64>(kernel, p, device, operands, stream);
}

constexpr ConvKernel row(const char* name, int variant) {
  return {name, 90, true, variant, refuse, wgmma_packed_bytes, pack_wgmma, no_workspace, launch};
}

}  // namespace

extern const ConvKernel kConvWgmmaKept128, kConvWgmmaKept64;
const ConvKernel kConvWgmmaKept128 = row("cuda.wgmma.kept128", 0);
const ConvKernel kConvWgmmaKept64 = row("cuda.wgmma.kept64", 1);

}  // namespace octile::cuda
