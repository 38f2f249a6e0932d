// Implicit-gemm convolution and matrix product for small grids (sm_90a, mma.sync): the blocks of a
// cluster share a tile. Each multiplies its part of K and sends the sums of every row to the block
// that finishes it, into that one's shared memory. All copies of a part are under way from the
// first cycle on, those of the weights before the kernel in front has ended. Start reading at
// conv_cluster().
//
// Shared memory: stages of A (kRows, 64 bytes) and B (kColumns, 64 bytes), swizzled as in
// conv_mma.cu; B lies packed so in memory and comes as one run of bytes a stage. Behind them the
// sums that arrive: (blocks of the cluster, rows of this block's share, kColumns).
#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_gather.h"
#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/device/cluster.h"
#include "kernels/cuda/device/mma.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/launch.h"

namespace octile::cuda {
namespace {

constexpr int kRows = 32, kColumns = 64, kThreads = 256;
constexpr int kLine = 64;  // bytes of K a stage
constexpr int kBytesOfA = kRows * kLine, kBytesOfB = kColumns * kLine;
constexpr int kStageBytes = kBytesOfA + kBytesOfB;
constexpr int kMostStages = 16, kMostRanks = 8;

struct ClusterParams {
  ConvParams conv;
  int32_t stages = 1;  // that shared memory holds
};

constexpr __host__ __device__ int chunk_offset(int line, int chunk) {
  return line * kLine + ((chunk ^ (line >> 1 & 3)) << 4);
}

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

constexpr int kLoaders = kThreads / 2;  // threads that load one stage of A, a chunk each

/// The chunk of A that a thread loads of every other stage.
template <int kVector>
struct Loader {
  WindowRow row;
  RunPlace at;
  bool exists;
  int offset;  // in a stage

  __device__ __forceinline__ Loader(const ConvParams& p, int first_row, int first_byte) {
    const int within = static_cast<int>(threadIdx.x) % kLoaders, line = within / 4;
    exists = first_row + line < p.tail.rows;
    row.set(p, first_row + line);
    at.set(p, first_byte + half() * kLine + within % 4 * 16);
    offset = chunk_offset(line, within % 4);
  }

  /// Which stages are this thread's: even or odd ones.
  static __device__ __forceinline__ int half() { return static_cast<int>(threadIdx.x) / kLoaders; }

  /// Lines of rows that do not exist stay as they are: they meet no sum that counts.
  __device__ __forceinline__ void load(const ConvParams& p, uint8_t* s_stage, uint64_t* s_full) {
    if (exists) {
      const Tap tap(p, row, at);
#pragma unroll
      for (int b = 0; b < 16; b += kVector) {
        const bool inside = tap.in_image && (kVector == 16 || at.c + b < p.in_c);
        copy_async<kVector>(s_stage + offset + b, inside ? tap.source + at.c + b : p.border);
      }
    }
    barrier_arrive_after_copies(s_full);
    at.advance(p, 2 * kLine);
  }
};

/// The ring of stages of a block: `count` steps of K from g_weights on.
struct Stages {
  const ConvParams& p;
  const int8_t* g_weights;
  uint8_t* s_stages;
  uint64_t *s_full, *s_empty;
  int held, count;  // stages of shared memory; steps

  /// By one thread.
  __device__ __forceinline__ void load_weights(int step, int stage) const {
    barrier_expect(s_full + stage, kBytesOfB);
    copy_run(s_stages + stage * kStageBytes + kBytesOfA, g_weights + step * kBytesOfB, kBytesOfB,
             s_full + stage);
  }
  /// Step `step` of K into a stage that all warps have read.
  template <class A>
  __device__ __forceinline__ void refill(A& a, int step, int stage, uint32_t parity) const {
    if (step % 2 != A::half()) return;
    barrier_wait(s_empty + stage, parity);
    if (threadIdx.x % kLoaders == 0) load_weights(step, stage);
    a.load(p, s_stages + stage * kStageBytes, s_full + stage);
  }
};

/// sums[q] += A · B of half q of a stage, 16 rows and 16 columns: halves apart, since each product
/// waits for the one before in the same sum.
template <bool kUnsigned>
__device__ __forceinline__ void multiply_stage(int32_t (&sums)[2][2][4], const uint8_t* s_stage,
                                               int row, int column) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const uint32_t s_a = shared_address(s_stage), s_b = s_a + kBytesOfA;
#pragma unroll
  for (int q = 0; q < 2; ++q) {
    uint32_t a[4], b[4];
    load_matrices(a, s_a + chunk_offset(row + lane % 16, 2 * q + lane / 16));
    load_matrices(b, s_b + chunk_offset(column + lane / 16 * 8 + lane % 8, 2 * q + lane / 8 % 2));
    mma_16x8x32<kUnsigned>(sums[q][0], a, b[0], b[1]);
    mma_16x8x32<kUnsigned>(sums[q][1], a, b[2], b[3]);
  }
}

/// sums = A · B over this block's part of K.
template <bool kUnsigned, class A>
__device__ __forceinline__ void multiply_part(int32_t (&sums)[2][2][4], const Stages& stages, A& a,
                                              int row, int column) {
  int stage = 0, previous_stage = 0;
  uint32_t parity = 0, previous_parity = 0;
  for (int step = 0; step < stages.count; ++step) {
    barrier_wait(stages.s_full + stage, parity);
    multiply_stage<kUnsigned>(sums, stages.s_stages + stage * kStageBytes, row, column);
    if (stages.count > stages.held) {
      __syncwarp();
      if (threadIdx.x % 32 == 0) barrier_arrive(stages.s_empty + stage);
      const int next = step - 1 + stages.held;  // into the stage of the step before
      if (step > 0 && next < stages.count) stages.refill(a, next, previous_stage, previous_parity);
    }
    previous_stage = stage, previous_parity = parity;
    if (++stage == stages.held) stage = 0, parity ^= 1;
  }
}

/// Four bytes, of which `count` exist; width: 4 where they are a word in memory.
__device__ __forceinline__ uint32_t load_four(const uint8_t* source, int count, int width) {
  if (width == 4) return *reinterpret_cast<const uint32_t*>(source);
  uint32_t word = 0;
#pragma unroll
  for (int b = 0; b < 4; ++b) {
    if (b < count) word |= static_cast<uint32_t>(source[b]) << (8 * b);
  }
  return word;
}
__device__ __forceinline__ void store_four(uint8_t* target, uint32_t word, int count, int width) {
  if (width == 4) {
    *reinterpret_cast<uint32_t*>(target) = word;
    return;
  }
#pragma unroll
  for (int b = 0; b < 4; ++b) {
    if (b < count) target[b] = static_cast<uint8_t>(word >> (8 * b));
  }
}

/// Four neighbouring channels of one row, of which `count` exist.
template <Finish kFinish, bool kResidual>
__device__ __forceinline__ void finish_four(const ConvTail& tail, const int4& sum, const int4& bias,
                                            const float4& scale, uint32_t residual, int64_t offset,
                                            int count) {
  float v[4] = {scaled(sum.x, bias.x, scale.x), scaled(sum.y, bias.y, scale.y),
                scaled(sum.z, bias.z, scale.z), scaled(sum.w, bias.w, scale.w)};
  if constexpr (kFinish == Finish::kFloat) {
    store_floats(tail, static_cast<uint64_t>(offset), v, count);
  } else {
    if constexpr (kResidual) add_residual(tail, residual, v);
    store_four(static_cast<uint8_t*>(tail.y) + offset, pack_results<kFinish>(tail, v), count,
               tail.store_bytes);
  }
}

/// The rows that this block finishes, four channels a thread and row. What they need beside the
/// sums is read at once.
struct Share {
  static constexpr int kQuads = kColumns / 4;
  static constexpr int kMost = kRows * kQuads / kThreads;  // rows of a thread

  const ConvTail& tail;
  int first, count;  // rows: where they begin, how many exist
  int row, channel;  // of this thread's first; the others are kThreads / kQuads apart
  int4 bias;
  float4 scale;
  uint32_t residual[kMost] = {};

  __device__ __forceinline__ Share(const ConvTail& t, int first_row, int rows, int first_column)
      : tail(t), first(first_row), count(min(max(t.rows - first_row, 0), rows)) {
    row = static_cast<int>(threadIdx.x) / kQuads;
    channel = first_column + static_cast<int>(threadIdx.x) % kQuads * 4;
    bias = __ldg(reinterpret_cast<const int4*>(tail.bias + channel));
    scale = __ldg(reinterpret_cast<const float4*>(tail.multiplier + channel));
  }

  __device__ __forceinline__ int row_of(int i) const { return row + i * (kThreads / kQuads); }
  __device__ __forceinline__ int64_t offset_of(int i) const {
    return static_cast<int64_t>(first + row_of(i)) * tail.out_c + channel;
  }
  __device__ __forceinline__ bool has(int i) const {
    return row_of(i) < count && channel < tail.out_c;
  }

  __device__ __forceinline__ void read_residual() {
    if (tail.residual == nullptr) return;
#pragma unroll
    for (int i = 0; i < kMost; ++i) {
      if (!has(i)) continue;
      residual[i] = load_four(tail.residual + offset_of(i), tail.out_c - channel, tail.store_bytes);
    }
  }

  /// s_parts: (parts, rows, kColumns).
  __device__ __forceinline__ void finish(const int32_t* s_parts, int parts, int rows) const {
    const auto* s_quads = reinterpret_cast<const int4*>(s_parts) + threadIdx.x % kQuads;
    int4 sums[kMost];
#pragma unroll
    for (int i = 0; i < kMost; ++i) {
      sums[i] = make_int4(0, 0, 0, 0);
      for (int part = 0; part < (has(i) ? parts : 0); ++part) {
        const int4 v = s_quads[(part * rows + row_of(i)) * kQuads];
        sums[i].x += v.x, sums[i].y += v.y, sums[i].z += v.z, sums[i].w += v.w;
      }
    }
    by_finish(tail, [&]<Finish kFinish, bool kResidual>() {
#pragma unroll
      for (int i = 0; i < kMost; ++i) {
        if (!has(i)) continue;
        finish_four<kFinish, kResidual>(tail, sums[i], bias, scale, residual[i], offset_of(i),
                                        tail.out_c - channel);
      }
    });
  }
};

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

/// Grid: (blocks of a cluster, tiles of rows, tiles of columns).
template <bool kUnsigned, int kVector>
__global__ void __launch_bounds__(kThreads)
    conv_cluster(const __grid_constant__ ClusterParams params) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(128) uint8_t s_stages[];
  __shared__ uint64_t s_full[kMostStages], s_empty[kMostStages], s_arrived;
  const ConvParams& p = params.conv;
  const auto thread = static_cast<int>(threadIdx.x);
  const auto rank = static_cast<int>(blockIdx.x), ranks = static_cast<int>(gridDim.x);
  const int first_row = static_cast<int>(blockIdx.y) * kRows;
  const int first_column = static_cast<int>(blockIdx.z) * kColumns;
  const int steps = p.k_bytes / kLine, first = steps * rank / ranks;
  const int8_t* g_weights = p.weights + static_cast<int64_t>(first_column) * p.k_bytes;
  const Stages stages{p,
                      g_weights + first * kBytesOfB,
                      s_stages,
                      s_full,
                      s_empty,
                      params.stages,
                      steps * (rank + 1) / ranks - first};
  auto* s_parts = reinterpret_cast<int32_t*>(s_stages + stages.held * kStageBytes);
  const int rows = kRows / ranks;  // of a share
  Share share(p.tail, first_row + rank * rows, rows, first_column);

  if (thread < stages.held) {
    barrier_init(s_full + thread, kLoaders + 1), barrier_init(s_empty + thread, kThreads / 32);
    barrier_init_done();
    if (thread < stages.count) stages.load_weights(thread, thread);
  } else if (thread == 32) {
    barrier_init(&s_arrived, 1);
    barrier_init_done();
    barrier_expect(&s_arrived, static_cast<uint32_t>(ranks * share.count * kColumns * 4));
  }
  __syncthreads();
  cluster_arrive();
  Loader<kVector> loader(p, first_row, first * kLine);

  wait_for_earlier_kernels();
  for (int i = loader.half(); i < min(stages.held, stages.count); i += 2) {
    loader.load(p, s_stages + i * kStageBytes, s_full + i);
  }
  share.read_residual();
  const int row = thread / 32 % 2 * 16, column = thread / 64 * 16;  // of the warp, in the tile
  int32_t sums[2][2][4] = {};
  multiply_part<kUnsigned>(sums, stages, loader, row, column);

  cluster_wait();  // the others' barriers are there
  const int lane = thread % 32;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int r = row + 8 * h + lane / 4, owner = r * ranks / kRows;
    if (first_row + r >= p.tail.rows) continue;
    const auto sum = [&](int j, int e) { return sums[0][j][2 * h + e] + sums[1][j][2 * h + e]; };
    send(s_parts + (rank * rows + r - owner * rows) * kColumns + column + lane % 4 * 4, &s_arrived,
         owner, make_int4(sum(0, 0), sum(0, 1), sum(1, 0), sum(1, 1)));
  }
  barrier_wait_for_cluster(&s_arrived, 0);
  share.finish(s_parts, ranks, rows);
#endif
}

// ---- the host side ------------------------------------------------------------------------------

PackedLayout layout_of(const ConvProblem& p) { return gather_layout(p, kColumns, kLine); }

size_t packed_bytes(const ConvKernel&, const ConvProblem& p) { return layout_of(p).bytes(); }

/// A lane's sums belong to four neighbouring channels: within each 16, column 8j + 2t + e is
/// channel 4t + 2j + e (t < 4: the lane's place in its quad).
int channel_of_cluster_column(int column) {
  const int within = column % 16;
  return column - within + within % 8 / 2 * 4 + within / 8 * 2 + within % 2;
}

/// [tile of columns][step of K] stages, as shared memory wants them.
void pack(const ConvKernel&, const ConvProblem& p, const ConvWeights& weights, uint8_t* packed) {
  const PackedLayout layout = layout_of(p);
  uint8_t* target = begin_packing(p, weights, layout, packed);
  const int64_t runs = run_count(p), run = run_length(p), steps = layout.k_bytes / kLine;
  for (int column = 0; column < layout.columns; ++column) {
    const int channel = channel_of_cluster_column(column);
    if (channel >= p.out_c) continue;
    for (int64_t r = 0; r < runs; ++r) {
      const int8_t* source = weights.weights + (channel * runs + r) * run;
      for (int64_t c = 0; c < run; c += 16) {
        const int64_t k = r * run_bytes(p) + c;
        const int64_t stage = column / kColumns * steps + k / kLine;
        std::memcpy(target + stage * kBytesOfB +
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
  cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
  const dim3 grid(static_cast<unsigned>(ranks),
                  static_cast<unsigned>((params.conv.tail.rows + kRows - 1) / kRows),
                  static_cast<unsigned>(layout.columns / kColumns));
  start_kernel(function, {grid, kThreads, shared_bytes, stream, static_cast<unsigned>(ranks)},
               params);
  check_launch(kernel);
}

}  // namespace

extern const ConvKernel kConvCluster;
const ConvKernel kConvCluster{
    "cuda.mma.32x64.cluster", 90, true, 0, refuse, packed_bytes, pack, no_workspace, launch};

}  // namespace octile::cuda
