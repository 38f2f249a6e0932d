// Implicit-gemm convolution and matrix product for small grids (sm_90a, wgmma): the blocks of a
// cluster share a tile. Each multiplies its part of K and sends the sums of every row to the block
// that finishes it, into that one's shared memory. All copies of a part are under way from the
// first cycle on, those of the weights before the kernel in front has ended. Start reading at
// conv_cluster().
//
// The weights are wgmma's first operand, so that 64 channels and as few as 32 rows make a tile. A
// stage: pixels (kRows, 64 bytes) and weights (kColumns, 64 bytes), 16-byte chunk c of line l at
// place c ^ (l / 2 % 4); weights lie packed so in memory and come as one run of bytes. Behind the
// stages the sums that arrive: (blocks of the cluster, rows of this block's share, kColumns).
#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>

#include "kernels/cuda/conv_gather.h"
#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/conv_share.h"
#include "kernels/cuda/device/cluster.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/device/ring.h"
#include "kernels/cuda/device/wgmma.h"
#include "kernels/cuda/launch.h"

namespace octile::cuda {
namespace {

constexpr int kRows = 32, kColumns = 64, kThreads = 256;
[[maybe_unused]] constexpr int kGroup = kThreads / 2;  // threads of a warpgroup
constexpr int kLine = kGatherLine;
constexpr int kPixelBytes = kRows * kLine, kWeightBytes = kColumns * kLine;
constexpr int kStageBytes = kPixelBytes + kWeightBytes;
constexpr int kMostStages = 16, kMostRanks = 8;

struct ClusterParams {
  ConvParams conv;
  int32_t stages = 1;  // that shared memory holds
};

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

/// Sixteen bytes of pixels. kVector: bytes of one load; 4 where channels come in fours.
template <int kVector>
struct Chunk {
  const uint8_t* source;
  int count;  // bytes of it that are channels; what is behind them meets zeros

  __device__ __forceinline__ void copy(const ConvParams& p, uint8_t* s_target) const {
#pragma unroll
    for (int b = 0; b < 16; b += kVector) {
      copy_async<kVector>(s_target + b, kVector == 16 || b < count ? source + b : p.border);
    }
  }
};

/// The chunks of pixels that a thread loads, one of each stage that is its warpgroup's: they take
/// turns.
template <int kVector>
struct Loader {
  WindowRow row;
  RunPlace at;
  bool exists;
  int chunk, offset;  // of the line; in the stage

  __device__ __forceinline__ Loader(const ConvParams& p, int first_row, int first_byte) {
    const int within = static_cast<int>(threadIdx.x) % kGroup, line = within / 4;
    exists = first_row + line < p.tail.rows;
    row.set(p, first_row + line);
    chunk = within % 4, offset = static_cast<int>(chunk_offset(line, chunk));
    move(p, first_byte);
  }
  __device__ __forceinline__ void move(const ConvParams& p, int byte) {
    at.set(p, byte + 16 * chunk);
  }

  /// The chunk here; then `step` bytes on.
  __device__ __forceinline__ Chunk<kVector> next(const ConvParams& p, int step) {
    const Tap tap(p, row, at);
    const Chunk<kVector> found = tap.in_image ? Chunk<kVector>{tap.source + at.c, p.in_c - at.c}
                                              : Chunk<kVector>{p.border, 16};
    at.advance(p, step);
    return found;
  }

  /// Lines of rows that do not exist stay as they are: they meet no sum that counts.
  __device__ __forceinline__ void copy(const ConvParams& p, const Chunk<kVector>& from,
                                       uint8_t* s_stage, uint64_t* s_full) const {
    if (exists) from.copy(p, s_stage + offset);
    barrier_arrive_after_copies(s_full);
  }
};

/// The stages of a block: `count` steps of K from byte `first_byte` and g_weights on, of which
/// shared memory holds `held` at a time.
struct Stages {
  const ConvParams& p;
  const int8_t* g_weights;
  uint8_t* s_stages;
  uint64_t *s_full, *s_empty;
  int first_byte, held, count;

  /// By one thread.
  __device__ __forceinline__ void load_weights(int step, int stage) const {
    barrier_expect(s_full + stage, kWeightBytes);
    copy_run(s_stages + stage * kStageBytes + kPixelBytes, g_weights + step * kWeightBytes,
             kWeightBytes, s_full + stage);
  }

  /// The pixels of all steps held, as soon as they are there: where they are is known before.
  template <int kVector>
  __device__ __forceinline__ void fill(Loader<kVector>& loader) const {
    const int half = static_cast<int>(threadIdx.x) / kGroup, end = min(held, count);
    Chunk<kVector> chunks[kMostStages / 2];
#pragma unroll
    for (int i = 0; i < kMostStages / 2; ++i) {
      if (half + 2 * i < end) chunks[i] = loader.next(p, 2 * kLine);
    }
    wait_for_earlier_kernels();
#pragma unroll
    for (int i = 0; i < kMostStages / 2; ++i) {
      const int stage = half + 2 * i;
      if (stage >= end) break;
      loader.copy(p, chunks[i], s_stages + stage * kStageBytes, s_full + stage);
    }
  }

  /// The other steps, by the second warpgroup, as stages were read.
  template <int kVector>
  __device__ __forceinline__ void refill(Loader<kVector>& loader) const {
    if (count <= held) return;
    Ring ring;
    loader.move(p, first_byte + held * kLine);
    for (int step = held; step < count; ++step, ring.advance(held)) {
      barrier_wait(s_empty + ring.stage, ring.parity);
      if (threadIdx.x % kGroup == 0) load_weights(step, ring.stage);
      loader.copy(p, loader.next(p, kLine), s_stages + ring.stage * kStageBytes,
                  s_full + ring.stage);
    }
  }
};

/// sums = weights · pixels over this block's part of K, by the first warpgroup.
template <bool kUnsigned>
__device__ __forceinline__ void multiply_part(int32_t (&sums)[16], const Stages& stages) {
  Ring ring;
  int previous = 0;
  for (int step = 0; step < stages.count; ++step) {
    barrier_wait(stages.s_full + ring.stage, ring.parity);
    fence_for_engines();
    const uint32_t s_pixels = shared_address(stages.s_stages + ring.stage * kStageBytes);
    const uint64_t pixels = matrix_descriptor(s_pixels, kLine);
    const uint64_t weights = matrix_descriptor(s_pixels + kPixelBytes, kLine);
    wgmma_pin(sums);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kLine / 32; ++k) {
      wgmma_signed_first<kUnsigned>(sums, weights + 2 * k, pixels + 2 * k, step | k);
    }
    wgmma_commit();
    if (stages.count > stages.held && step > 0) {
      wgmma_wait<1>();
      if (threadIdx.x % 32 == 0) barrier_arrive(stages.s_empty + previous);
      __syncwarp();
    }
    previous = ring.stage;
    ring.advance(stages.held);
  }
  wgmma_wait<0>();
  wgmma_pin(sums);
}

using Share = ConvShare<kRows, kColumns, kThreads>;

/// The sums of `count` rows to the blocks that finish them, by the first warpgroup; a block alone
/// keeps them, and its threads arrive (memcheck knows no sending but in a cluster). s_parts, there:
/// (blocks of the cluster, rows of a share, kColumns). A lane has channels 2g and 2g + 1 (g = lane
/// / 4) of two neighbouring rows; it swaps with lane g ^ 1, so that each has four channels of one
/// row.
__device__ __forceinline__ void send_sums(const int32_t (&sums)[16], int count, int32_t* s_parts,
                                          uint64_t* s_arrived) {
  const auto rank = static_cast<int>(blockIdx.x), ranks = static_cast<int>(gridDim.x);
  const int lane = static_cast<int>(threadIdx.x) % 32, odd = lane / 4 % 2;
  const int column = static_cast<int>(threadIdx.x) / 32 * 16 + lane / 8 * 4;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int32_t* s = sums + 4 * j;  // [channel][row]
    const int32_t kept[2] = {odd != 0 ? s[1] : s[0], odd != 0 ? s[3] : s[2]};
    const int32_t first = __shfl_xor_sync(0xffffffffu, odd != 0 ? s[0] : s[1], 4);
    const int32_t second = __shfl_xor_sync(0xffffffffu, odd != 0 ? s[2] : s[3], 4);
    const int row = 8 * j + lane % 4 * 2 + odd, owner = row * ranks / kRows;
    if (row >= count) continue;
    const int within = row - owner * (kRows / ranks);
    const int4 v = odd != 0 ? make_int4(first, second, kept[0], kept[1])
                            : make_int4(kept[0], kept[1], first, second);
    int32_t* s_target = s_parts + (rank * (kRows / ranks) + within) * kColumns + column;
    if (ranks > 1) {
      send(s_target, s_arrived, owner, v);
    } else {
      *reinterpret_cast<int4*>(s_target) = v;
    }
  }
  if (ranks == 1) barrier_arrive(s_arrived);
}

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

/// Grid: (blocks of a cluster, tiles of rows, tiles of columns).
template <bool kUnsigned, int kVector>
__global__ void __launch_bounds__(kThreads)
    conv_cluster(const __grid_constant__ ClusterParams params) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) uint8_t s_stages[];
  __shared__ uint64_t s_full[kMostStages], s_empty[kMostStages], s_arrived;
  let_next_kernel_begin();
  const ConvParams& p = params.conv;
  const auto thread = static_cast<int>(threadIdx.x);
  const auto rank = static_cast<int>(blockIdx.x), ranks = static_cast<int>(gridDim.x);
  const int first_row = static_cast<int>(blockIdx.y) * kRows;
  const int first_column = static_cast<int>(blockIdx.z) * kColumns;
  const int steps = p.k_bytes / kLine, first = steps * rank / ranks;
  const int8_t* g_weights = p.weights + static_cast<int64_t>(first_column) * p.k_bytes;
  const Stages stages{p,
                      g_weights + first * kWeightBytes,
                      s_stages,
                      s_full,
                      s_empty,
                      first * kLine,
                      params.stages,
                      steps * (rank + 1) / ranks - first};
  auto* s_parts = reinterpret_cast<int32_t*>(s_stages + stages.held * kStageBytes);
  const int rows = kRows / ranks;  // of a share
  Share share(p, first_row + rank * rows, rows, first_column);

  if (thread < 32) {
    if (thread < stages.held) {
      barrier_init(s_full + thread, kGroup + 1), barrier_init(s_empty + thread, kGroup / 32);
      barrier_init_done();
    }
    __syncwarp();  // racecheck takes the lanes' barriers for each other's
    if (thread < min(stages.held, stages.count)) stages.load_weights(thread, thread);
  } else if (thread == 32) {
    barrier_init(&s_arrived, ranks > 1 ? 1 : kGroup);
    barrier_init_done();
    if (ranks > 1) {
      barrier_expect(&s_arrived, static_cast<uint32_t>(ranks * share.count * kColumns * 4));
    }
  }
  __syncthreads();
  cluster_arrive();
  Loader<kVector> loader(p, first_row, (first + thread / kGroup) * kLine);

  stages.fill(loader);  // from here on kernels in front have ended
  share.read_residual();
  cluster_wait();  // the others' barriers are there
  if (thread < kGroup) {
    int32_t sums[16];
    multiply_part<kUnsigned>(sums, stages);
    send_sums(sums, min(kRows, p.tail.rows - first_row), s_parts, &s_arrived);
  } else {
    stages.refill(loader);
  }
  if (!share.has(0)) return;  // nobody sends to a thread that finishes nothing
  barrier_wait_for_cluster(&s_arrived, 0);
  share.finish(s_parts, ranks, rows);
#endif
}

// ---- the host side ------------------------------------------------------------------------------

PackedLayout layout_of(const ConvProblem& p) { return gather_layout(p, kColumns, kLine); }

size_t packed_bytes(const ConvKernel&, const ConvProblem& p) { return layout_of(p).bytes(); }

/// Line l of wgmma's first operand is channel 2 (l % 8) + l / 8 of each 16: see send_sums().
int channel_of_line(int line) {
  const int within = line % 16;
  return line - within + within % 8 * 2 + within / 8;
}

/// [tile of columns][step of K] stages, as shared memory wants them.
void pack(const ConvKernel&, const ConvProblem& p, const ConvWeights& weights, uint8_t* packed) {
  const PackedLayout layout = layout_of(p);
  uint8_t* target = begin_packing(p, weights, layout, packed);
  const int64_t runs = run_count(p), run = run_length(p), steps = layout.k_bytes / kLine;
  for (int column = 0; column < layout.columns; ++column) {
    const int channel = channel_of_line(column);
    if (channel >= p.out_c) continue;
    for (int64_t r = 0; r < runs; ++r) {
      const int8_t* source = weights.weights + (channel * runs + r) * run;
      for (int64_t c = 0; c < run; c += 16) {
        const int64_t k = r * run_bytes(p) + c;
        const int64_t stage = column / kColumns * steps + k / kLine;
        std::memcpy(target + stage * kWeightBytes +
                        chunk_offset(column % kColumns, static_cast<int>(k % kLine / 16)),
                    source + c, static_cast<size_t>(std::min<int64_t>(16, run - c)));
      }
    }
  }
}

int64_t tiles_of(const ConvProblem& p) {
  return (p.batch * p.out_h * p.out_w + kRows - 1) / kRows * (layout_of(p).columns / kColumns);
}

/// Blocks of a cluster: as many as fill about one wave.
int ranks_of(const ConvProblem& p, const ConvDevice& device) {
  const int64_t most = std::min<int64_t>(layout_of(p).k_bytes / kLine, kMostRanks);
  const int64_t blocks = device.multiprocessors * 5 / 4;
  int ranks = 1;
  while (2 * ranks <= most && 2 * ranks * tiles_of(p) <= blocks) ranks *= 2;
  return ranks;
}

std::string refuse(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  if (auto reason = refuse_common(kernel, p, device); !reason.empty()) return reason;
  if (p.x_type == ConvType::kFloat) return "reads 8-bit inputs alone";
  if (p.groups != 1) return "takes one group";
  if (p.in_c % 4 != 0) return "wants channels in fours";
  if (tiles_of(p) > 3 * int64_t{device.multiprocessors}) return "the grid is large enough";
  return "";
}

template <bool kUnsigned>
auto function_for(const ConvProblem& p) {
  return p.in_c % 16 == 0 ? conv_cluster<kUnsigned, 16> : conv_cluster<kUnsigned, 4>;
}

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
            const ConvOperands& operands, Stream stream) {
  const PackedLayout layout = layout_of(p);
  ClusterParams params{.conv = conv_params(p, operands, layout)};
  set_gather(params.conv, p);
  params.conv.tail.store_bytes = std::min(params.conv.tail.store_bytes, 4);
  const int ranks = ranks_of(p, device);
  const auto steps = static_cast<int>(layout.k_bytes / kLine);
  params.stages = std::min((steps + ranks - 1) / ranks, kMostStages);
  const int shared_bytes = params.stages * kStageBytes + kRows * kColumns * 4;
  const auto function = p.x_type == ConvType::kU8 ? function_for<true>(p) : function_for<false>(p);
  const dim3 grid(static_cast<unsigned>(ranks),
                  static_cast<unsigned>((params.conv.tail.rows + kRows - 1) / kRows),
                  static_cast<unsigned>(layout.columns / kColumns));
  start_kernel(function, {grid, kThreads, shared_bytes, stream, static_cast<unsigned>(ranks)},
               params);
  check_launch(kernel);
}

}  // namespace

extern const ConvKernel kConvCluster;
const ConvKernel kConvCluster{"cuda.wgmma.32x64.cluster",
                              90,
                              true,
                              0,
                              refuse,
                              packed_bytes,
                              pack,
                              no_workspace,
                              launch,
                              false,
                              true};

}  // namespace octile::cuda
