// Implicit-gemm convolution and matrix product for sm_90a where the weights of a column tile fit into
// shared memory: they are copied there once and stay. Four warpgroups a multiprocessor walk over tiles of
// 64 rows, each by itself with a ring of stages of its own, so that one's end (bias, multiplier, stores)
// runs under the products and copies of the others: what counts where K is short and memory is the
// ceiling. Start reading at conv_wgmma_kept(); conv_wgmma.cu is the form for long K.
//
// A stage: `parts` lines-boxes A (64, line_bytes), swizzled by the line; weights: `steps` boxes
// (kColumns, line_bytes). The first thread of a warpgroup starts its copies.
#include <cuda.h>
#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_wgmma_problem.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/device/ring.h"
#include "kernels/cuda/device/tma.h"
#include "kernels/cuda/device/wgmma.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/tensor_map.h"

namespace octile::cuda {
namespace {

constexpr int kGroups = 4, kThreads = 128 * kGroups, kRows = 64;  // rows of a warpgroup's tile
constexpr int kMostStages = 8, kLeastStages = 3;

struct KeptParams {
  ConvParams conv;
  int32_t channel_blocks = 1;  // steps of one tap
  int32_t steps = 1;           // of K: boxes of a tile
  int32_t parts = 1;           // boxes of a stage
  int32_t stages = kLeastStages;
  int32_t row_tiles = 1, column_tiles = 1;
  int32_t by_pixels = 0;  // im2col
};

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

/// Bias and multipliers of a column tile in shared memory, by fours, so that the four lanes of a quad
/// read 64 bytes in a row: within 64 channels, four i of lane t lies at 4 · i + t.
template <int kColumns>
struct KeptColumns {
  int4 bias[kColumns / 4];
  float4 multiplier[kColumns / 4];
};

struct QuadColumns {
  const int4* bias;
  const float4* multiplier;
  __device__ __forceinline__ int4 bias_of(int four) const { return bias[4 * four]; }
  __device__ __forceinline__ float4 multiplier_of(int four) const { return multiplier[4 * four]; }
};

/// The copies of all tiles of one warpgroup, one stage a call, by one thread.
template <int kLine>
struct RowFeed {
  const KeptParams& p;
  const CUtensorMap* map;
  uint8_t* s_stages;
  uint64_t *s_full, *s_empty;
  int tile, stride;  // rows tiles: the next, and from one to the next
  int step = 0, channel = 0, tap_w = 0, tap_h = 0;
  int n = 0, h = 0, w = 0;  // of the tile's first window
  Ring ring;

  __device__ __forceinline__ void begin_tile() {
    channel = 0, tap_w = 0, tap_h = 0;
    if (p.by_pixels == 0) return;
    uint32_t image, pixel, y, x;
    p.conv.image.split(static_cast<uint32_t>(tile * kRows), image, pixel);
    p.conv.line.split(pixel, y, x);
    n = static_cast<int>(image);
    h = static_cast<int>(y) * p.conv.stride_h - p.conv.pad_top;
    w = static_cast<int>(x) * p.conv.stride_w - p.conv.pad_left;
  }

  __device__ __forceinline__ void next() {
    if (tile >= p.row_tiles) return;
    if (step == 0) begin_tile();
    uint8_t* s_a = s_stages + ring.stage * (p.parts * kRows * kLine);
    uint64_t* s_barrier = s_full + ring.stage;
    barrier_wait(s_empty + ring.stage, ring.parity ^ 1);
    barrier_expect(s_barrier, static_cast<uint32_t>(p.parts * kRows * kLine));
    for (int part = 0; part < p.parts; ++part, s_a += kRows * kLine) {
      if (p.by_pixels == 0) {
        copy_box(s_a, map, channel, tile * kRows, s_barrier);
      } else {
        copy_pixels(s_a, map, channel, w, h, n, tap_w * p.conv.dilation_w,
                    tap_h * p.conv.dilation_h, s_barrier);
      }
      channel += kLine;
      if (channel < p.channel_blocks * kLine) continue;
      channel = 0;
      if (++tap_w == p.conv.kernel_w) tap_w = 0, ++tap_h;
    }
    ring.advance(p.stages);
    step += p.parts;
    if (step == p.steps) step = 0, tile += stride;
  }
};

/// sums = A · B of one tile. The copies run `stages` − 2 ahead: the stage that they go into was read
/// by all warps a stage ago, so that nobody waits for it.
template <int kColumns, bool kUnsigned, int kLine>
__device__ __forceinline__ void multiply_rows(int32_t (&sums)[kColumns / 2], RowFeed<kLine>& feed,
                                              Ring& ring, uint32_t s_weights) {
  const int steps = feed.p.steps, parts = feed.p.parts;
  const uint32_t s_stages = shared_address(feed.s_stages);
  int previous = 0;
  for (int step = 0; step < steps; step += parts) {
    barrier_wait(feed.s_full + ring.stage, ring.parity);
    const uint32_t s_a = s_stages + static_cast<uint32_t>(ring.stage * parts * kRows * kLine);
    uint64_t a = matrix_descriptor(s_a, kLine);
    uint64_t b =
        matrix_descriptor(s_weights + static_cast<uint32_t>(step * kColumns * kLine), kLine);
    wgmma_pin(sums);
    wgmma_fence();
#pragma unroll 1
    for (int part = 0; part < parts; ++part) {
#pragma unroll
      for (int k = 0; k < kLine / 32; ++k) {
        wgmma<kUnsigned>(sums, a + 2 * k, b + 2 * k, step | part | k);
      }
      a += kRows * kLine / 16, b += kColumns * kLine / 16;
    }
    wgmma_commit();
    if (threadIdx.x % 128 == 0) feed.next();
    __syncwarp();
    if (step > 0) {
      wgmma_wait<1>();
      if (threadIdx.x % 32 == 0) barrier_arrive(feed.s_empty + previous);
    }
    previous = ring.stage;
    ring.advance(feed.p.stages);
  }
  wgmma_wait<0>();
  wgmma_pin(sums);
  if (threadIdx.x % 32 == 0) barrier_arrive(feed.s_empty + previous);
}

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

template <int kColumns, bool kUnsigned, int kLine>
__global__ void __launch_bounds__(kThreads, 1)
    conv_wgmma_kept(const __grid_constant__ KeptParams p, const __grid_constant__ CUtensorMap map_a,
                    const __grid_constant__ CUtensorMap map_b) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) uint8_t s_memory[];
  __shared__ uint64_t s_full[kGroups][kMostStages], s_empty[kGroups][kMostStages], s_kept;
  __shared__ KeptColumns<kColumns> s_columns;
  const int group = static_cast<int>(threadIdx.x) / 128;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int column = static_cast<int>(blockIdx.x) % p.column_tiles * kColumns;
  const int walker = static_cast<int>(blockIdx.x) / p.column_tiles * kGroups + group;
  const int stride = static_cast<int>(gridDim.x) / p.column_tiles * kGroups;
  uint8_t* s_stages = s_memory + p.steps * kColumns * kLine;
  RowFeed<kLine> feed{p,
                      &map_a,
                      s_stages + group * p.stages * p.parts * kRows * kLine,
                      s_full[group],
                      s_empty[group],
                      walker,
                      stride};
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
  for (int i = static_cast<int>(threadIdx.x); i < kColumns / 4; i += kThreads) {
    const int place = i / 16 * 16 + i % 4 * 4 + i % 16 / 4, channel = column + 4 * i;
    if (channel >= p.conv.columns) continue;  // of the packed ones
    s_columns.bias[place] = __ldg(reinterpret_cast<const int4*>(tail.bias + channel));
    s_columns.multiplier[place] = __ldg(reinterpret_cast<const float4*>(tail.multiplier + channel));
  }
  wait_for_earlier_kernels();
  if (threadIdx.x % 128 == 0) {
    for (int i = 0; i < p.stages - 2; ++i) feed.next();
  }
  __syncthreads();
  barrier_wait(&s_kept, 0);

  const int quad = lane % 4, first = static_cast<int>(threadIdx.x) % 128 / 32 * 16 + lane / 4;
  Ring ring;
  for (int tile = walker; tile < p.row_tiles; tile += stride) {
    const int row = tile * kRows + first;
    uint4 residual[kColumns / 64][2];
    if (tail.residual != nullptr) {
#pragma unroll
      for (int u = 0; u < kColumns / 64; ++u) {
        load_residual(tail, row, 8, tail.rows, column + 64 * u + 16 * quad, residual[u]);
      }
    }
    int32_t sums[kColumns / 2];
    multiply_rows<kColumns, kUnsigned, kLine>(sums, feed, ring, shared_address(s_memory));
    by_finish(tail, [&]<Finish kFinish, bool kResidual>() {
#pragma unroll
      for (int u = 0; u < kColumns / 64; ++u) {
        const QuadColumns columns{s_columns.bias + 16 * u + quad,
                                  s_columns.multiplier + 16 * u + quad};
        finish_lines<kFinish, kResidual, 2, 16>(
            tail, row, 8, tail.rows, column + 64 * u + 16 * quad, columns, residual[u],
            [&](int line, int c) { return sums[32 * u + c / 2 * 4 + 2 * line + c % 2]; });
      }
    });
  }
#endif
}

// ---- the host side ------------------------------------------------------------------------------

constexpr int kColumnsOf[] = {128, 64};  // of the variants

/// How shared memory is divided: stages as large as 16 KiB where 8 KiB a warpgroup can still be on
/// their way. stages 0: the weights leave no room.
struct Division {
  int parts = 1, stages = 0;
  size_t bytes = 0;
};

Division divide(const ConvProblem& p, const ConvDevice& device, int columns) {
  const int line = wgmma_line_bytes(p), steps = p.kernel_h * p.kernel_w * wgmma_channel_blocks(p);
  const int64_t weights = int64_t{steps} * columns * line;
  const int64_t room = device.shared_bytes - 4096 - weights;  // barriers, bias and multipliers
  Division best;
  for (int parts = 1; parts <= steps; ++parts) {
    const int64_t stage = int64_t{parts} * kRows * line;
    const auto stages = static_cast<int>(
        std::min<int64_t>(kMostStages, std::max<int64_t>(room, 0) / (kGroups * stage)));
    if (steps % parts != 0 || stages < kLeastStages || stage > 16384) continue;
    if (parts > 1 && (stages - 2) * stage < 8192) continue;
    best = {parts, stages, static_cast<size_t>(weights + kGroups * stages * stage)};
  }
  return best;
}

std::string refuse(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  const int columns = kColumnsOf[kernel.variant];
  if (auto reason = refuse_wgmma(kernel, p, device, columns); !reason.empty()) return reason;
  if (divide(p, device, columns).stages == 0) return "the weights are too large to be kept";
  if ((p.out_c + columns - 1) / columns > device.multiprocessors) {
    return "more column tiles than multiprocessors";
  }
  return "";
}

template <int kColumns>
void start(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
           const ConvOperands& operands, Stream stream) {
  const Division division = divide(p, device, kColumns);
  const int line = wgmma_line_bytes(p);
  KeptParams params{.conv = conv_params(p, operands, wgmma_layout(p))};
  params.channel_blocks = wgmma_channel_blocks(p);
  params.steps = p.kernel_h * p.kernel_w * params.channel_blocks;
  params.parts = division.parts, params.stages = division.stages;
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
  const auto function = is_unsigned ? (line == 128 ? conv_wgmma_kept<kColumns, true, 128>
                                                   : conv_wgmma_kept<kColumns, true, 64>)
                                    : (line == 128 ? conv_wgmma_kept<kColumns, false, 128>
                                                   : conv_wgmma_kept<kColumns, false, 64>);
  cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                       static_cast<int>(division.bytes));
  start_kernel(function,
               {static_cast<unsigned>(grid), kThreads, static_cast<int>(division.bytes), stream},
               params, map_a, map_b);
  check_launch(kernel);
}

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
            const ConvOperands& operands, Stream stream) {
  if (kColumnsOf[kernel.variant] == 128) return start<128>(kernel, p, device, operands, stream);
  start<64>(kernel, p, device, operands, stream);
}

constexpr ConvKernel row(const char* name, int variant) {
  return {name, 90, true, variant, refuse, wgmma_packed_bytes, pack_wgmma, no_workspace, launch};
}

}  // namespace

extern const ConvKernel kConvWgmmaKept128, kConvWgmmaKept64;
const ConvKernel kConvWgmmaKept128 = row("cuda.wgmma.kept128", 0);
const ConvKernel kConvWgmmaKept64 = row("cuda.wgmma.kept64", 1);

}  // namespace octile::cuda
