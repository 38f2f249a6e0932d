// Layers in a row at batch 1, one launch: see conv_chain.h. Start reading at chain_kernel().
#include <cuda_runtime.h>

#include "kernels/cuda/conv_chain.h"
#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/device/cluster.h"
#include "kernels/cuda/device/mma.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/launch.h"

namespace octile::cuda {
namespace {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

constexpr int kWarps = kChainThreads / 32;
constexpr int kBatch = 4;  // pieces of the input that a thread has on their way at once

/// All threads of the cluster; what any of them wrote before, to any memory, is there behind it.
__device__ __forceinline__ void meet_cluster() {
  __syncwarp();
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

/// This block's share of a layer.
struct Part {
  int column_part, first_row, rows;

  __device__ __forceinline__ Part(const ChainLayer& l, int block) {
    column_part = block % l.column_parts;
    const int row_part = block / l.column_parts;
    first_row = row_part * l.part_rows;
    rows = row_part < l.row_parts ? max(0, min(l.part_rows, l.tail.rows - first_row)) : 0;
  }
};

// --- the input ---

template <bool kUnsigned>
__device__ __forceinline__ uint32_t larger(uint32_t a, uint32_t b) {
  return kUnsigned ? __vmaxu4(a, b) : __vmaxs4(a, b);
}

/// kWords words of bytes at channel word `word` of a source pixel.
template <int kWords>
__device__ __forceinline__ void read_bytes(const ChainLayer& l, int64_t pixel, int word,
                                           uint32_t (&v)[kWords]) {
  const uint8_t* from = static_cast<const uint8_t*>(l.x) + pixel * l.source_c + 4 * word;
  if constexpr (kWords == 4) {
    const uint4 four = *reinterpret_cast<const uint4*>(from);
    v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
  } else {
    v[0] = load_four(from, l.source_c - 4 * word, l.source_c % 4 == 0 ? 4 : 1);
  }
}

__device__ __forceinline__ uint32_t read_floats(const ChainLayer& l, int y, int x, int word) {
  const float* from = static_cast<const float*>(l.x);
  const int64_t pixel = int64_t{y} * l.source_w + x;
  uint32_t packed = 0;
#pragma unroll
  for (int b = 0; b < 4; ++b) {
    const int c = 4 * word + b;
    if (c >= l.source_c) continue;
    const int64_t at = l.source == ChainSource::kFloats
                           ? pixel * l.source_c + c
                           : int64_t{c} * l.source_h * l.source_w + pixel;
    packed |= ((l.quantizer.bits(from[at]) + l.quantizer_base) & 255) << (8 * b);
  }
  return packed;
}

/// Piece `piece` of the staged image: kWords words of one pixel, the largest of its window.
template <bool kUnsigned, bool kFloats, int kWords>
__device__ __forceinline__ void read_piece(const ChainLayer& l, int piece, uint32_t (&v)[kWords]) {
  const int each = l.staged_words / kWords, pixel = piece / each, word = piece % each * kWords;
  const int y = pixel / l.staged_w - l.pad_top, x = pixel % l.staged_w - l.pad_left;
#pragma unroll
  for (int i = 0; i < kWords; ++i) v[i] = l.border;
  if (y < 0 || y >= l.image_h || x < 0 || x >= l.image_w) return;
  if constexpr (kFloats) {
    v[0] = read_floats(l, y, x, word);
  } else {
    const int top = y * l.pool.stride_h - l.pool.pad_top;
    const int left = x * l.pool.stride_w - l.pool.pad_left;
    const auto tap = [&](int kh, int kw) {  // one beside the image is once more what another is
      const int sy = min(max(top + kh, 0), l.source_h - 1);
      const int sx = min(max(left + kw, 0), l.source_w - 1);
      return int64_t{sy} * l.source_w + sx;
    };
    read_bytes<kWords>(l, tap(0, 0), word, v);
    for (int kh = 0; kh < l.pool.kernel_h; ++kh) {
      for (int kw = 0; kw < l.pool.kernel_w; ++kw) {
        if (kh + kw == 0) continue;
        uint32_t other[kWords];
        read_bytes<kWords>(l, tap(kh, kw), word, other);
#pragma unroll
        for (int i = 0; i < kWords; ++i) v[i] = larger<kUnsigned>(v[i], other[i]);
      }
    }
  }
}

template <bool kUnsigned, bool kFloats, int kWords>
__device__ __forceinline__ void stage_image(const ChainLayer& l, uint8_t* s_image) {
  const int pieces = l.staged_h * l.staged_w * (l.staged_words / kWords);
  for (int first = threadIdx.x; first < pieces; first += kBatch * kChainThreads) {
    uint32_t v[kBatch][kWords];
#pragma unroll
    for (int b = 0; b < kBatch; ++b) {
      if (const int piece = first + b * kChainThreads; piece < pieces) {
        read_piece<kUnsigned, kFloats, kWords>(l, piece, v[b]);
      }
    }
#pragma unroll
    for (int b = 0; b < kBatch; ++b) {
      const int piece = first + b * kChainThreads;
      if (piece >= pieces) continue;
      if constexpr (kWords == 4) {
        reinterpret_cast<uint4*>(s_image)[piece] = make_uint4(v[b][0], v[b][1], v[b][2], v[b][3]);
      } else {
        reinterpret_cast<uint32_t*>(s_image)[piece] = v[b][0];
      }
    }
  }
}

template <bool kUnsigned>
__device__ __forceinline__ void stage(const ChainLayer& l, uint8_t* s_image) {
  if (l.source != ChainSource::kBytes) {
    stage_image<kUnsigned, true, 1>(l, s_image);
  } else if (l.source_c % 16 == 0) {
    stage_image<kUnsigned, false, 4>(l, s_image);
  } else {
    stage_image<kUnsigned, false, 1>(l, s_image);
  }
}

/// Where words of K lie, from a window's first on: of each word, or of each four where l.wide.
/// What pads K meets weights of zero.
__device__ __forceinline__ void write_table(const ChainLayer& l, uint16_t* s_table) {
  const int each = l.wide ? 4 : 1, entries = l.groups * kGroupWords / each;
  for (int e = threadIdx.x; e < entries; e += kChainThreads) {
    const int word = e * each, tap = word / l.pixel_words;
    const int at = tap / l.kernel_w * l.dilation_h * l.line_words +
                   tap % l.kernel_w * l.dilation_w * l.pixel_words + word % l.pixel_words;
    s_table[e] = static_cast<uint16_t>(word < l.k_words ? at : 0);
  }
}

// --- products ---

/// Where the window of output row `row` begins, in words.
__device__ __forceinline__ int window_of(const ChainLayer& l, int row) {
  return row / l.out_w * l.stride_h * l.line_words + row % l.out_w * l.stride_w * l.pixel_words;
}

template <bool kWide>
__device__ __forceinline__ uint4 four_words(const uint32_t* s_window, const uint16_t* s_table,
                                            int group, int t) {
  if constexpr (kWide) return *reinterpret_cast<const uint4*>(s_window + s_table[4 * group + t]);
  const uint16_t* at = s_table + kGroupWords * group + t;
  return make_uint4(s_window[at[0]], s_window[at[4]], s_window[at[8]], s_window[at[12]]);
}

/// The tile of 16 rows from `row` on and 8 channels. kBoth: more than 8 of the rows exist.
template <bool kUnsigned, bool kWide, bool kBoth>
__device__ __forceinline__ void multiply_tile(const ChainLayer& l, const uint32_t* s_image,
                                              const uint16_t* s_table, const uint4* s_weights,
                                              int row, int last_row, int channel) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const uint32_t* s_low = s_image + window_of(l, min(row + g, last_row));
  const uint32_t* s_high = s_image + window_of(l, min(row + g + 8, last_row));
  int32_t sums[2][4] = {};
#pragma unroll 4
  for (int group = 0; group < l.groups; ++group) {
    const uint4 b = s_weights[group * 32 + lane];
    const uint4 low = four_words<kWide>(s_low, s_table, group, t);
    uint4 high = make_uint4(0, 0, 0, 0);
    if constexpr (kBoth) high = four_words<kWide>(s_high, s_table, group, t);
    const uint32_t first[4] = {low.x, high.x, low.y, high.y};
    const uint32_t second[4] = {low.z, high.z, low.w, high.w};
    mma_16x8x32<kUnsigned>(sums[0], first, b.x, b.y);
    mma_16x8x32<kUnsigned>(sums[1], second, b.z, b.w);
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int at = row + g + i / 2 * 8, c = channel + 2 * t + i % 2;
    if (at <= last_row && c < l.tail.out_c) {
      finish_one(l.tail, sums[0][i] + sums[1][i], at, c);
    }
  }
}

template <bool kUnsigned, bool kWide>
__device__ __forceinline__ void multiply(const ChainLayer& l, const Part& part,
                                         const uint8_t* s_memory) {
  const auto* s_image = reinterpret_cast<const uint32_t*>(s_memory + l.s_image);
  const auto* s_table = reinterpret_cast<const uint16_t*>(s_memory + l.s_table);
  const auto* s_weights = reinterpret_cast<const uint4*>(s_memory + l.s_weights);
  const int row_tiles = (part.rows + 15) / 16;
  for (int tile = threadIdx.x / 32; tile < row_tiles * l.part_tiles; tile += kWarps) {
    const int n = tile / row_tiles, row = part.first_row + tile % row_tiles * 16;
    const int channel = (part.column_part * l.part_tiles + n) * kChainColumns;
    const uint4* s_tile = s_weights + n * l.groups * 32;
    const int last_row = part.first_row + part.rows - 1;
    if (last_row - row >= 8) {
      multiply_tile<kUnsigned, kWide, true>(l, s_image, s_table, s_tile, row, last_row, channel);
    } else {
      multiply_tile<kUnsigned, kWide, false>(l, s_image, s_table, s_tile, row, last_row, channel);
    }
  }
}

template <bool kUnsigned>
__device__ __forceinline__ void run_layer(const ChainLayer& l, const Part& part, uint8_t* s_memory,
                                          uint64_t* s_loaded) {
  stage<kUnsigned>(l, s_memory + l.s_image);
  write_table(l, reinterpret_cast<uint16_t*>(s_memory + l.s_table));
  __syncthreads();
  barrier_wait(s_loaded, 0);
  l.wide ? multiply<kUnsigned, true>(l, part, s_memory)
         : multiply<kUnsigned, false>(l, part, s_memory);
}

/// Sends for the weights whose place is free once `layer` begins.
__device__ __forceinline__ void load_weights(const ChainParams& p, int layer, uint8_t* s_memory,
                                             uint64_t* s_loaded) {
  for (int i = layer; i < p.count; ++i) {
    const ChainLayer& l = p.layers[i];
    const Part part(l, static_cast<int>(blockIdx.x));
    if (l.load_at != layer || part.rows == 0) continue;
    barrier_expect(s_loaded + i, static_cast<uint32_t>(l.weight_bytes));
    copy_run(s_memory + l.s_weights, l.weights + int64_t{part.column_part} * l.weight_bytes,
             static_cast<uint32_t>(l.weight_bytes), s_loaded + i);
  }
}

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

__global__ void __launch_bounds__(kChainThreads)
    chain_kernel(const __grid_constant__ ChainParams p) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(128) uint8_t s_memory[];
  __shared__ uint64_t s_loaded[kMostChained];
  if (threadIdx.x == 0) {
    for (int i = 0; i < p.count; ++i) barrier_init(s_loaded + i, 1);
    barrier_init_done();
    load_weights(p, 0, s_memory, s_loaded);
  }
  __syncthreads();
  wait_for_earlier_kernels();
  for (int i = 0; i < p.count; ++i) {
    const ChainLayer& l = p.layers[i];
    if (i > 0) {
      meet_cluster();
      if (threadIdx.x == 0) load_weights(p, i, s_memory, s_loaded);
    }
    const Part part(l, static_cast<int>(blockIdx.x));
    if (part.rows == 0) continue;
    l.is_unsigned ? run_layer<true>(l, part, s_memory, s_loaded + i)
                  : run_layer<false>(l, part, s_memory, s_loaded + i);
  }
#endif
}

}  // namespace

bool can_launch_chain(int shared_bytes) {
  const auto* kernel = reinterpret_cast<const void*>(chain_kernel);
  allow_shared_bytes(kernel, shared_bytes);
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = kChainBlocks;
  attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = kChainBlocks, config.blockDim = kChainThreads;
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.attrs = &attribute, config.numAttrs = 1;
  int clusters = 0;
  const bool asked = cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed,
                                          1) == cudaSuccess &&
                     cudaOccupancyMaxActiveClusters(&clusters, kernel, &config) == cudaSuccess;
  (void)cudaGetLastError();
  return asked && clusters > 0;
}

void launch_chain(const ChainParams& params, void* stream) {
  start_kernel(chain_kernel,
               {.grid = kChainBlocks,
                .block = kChainThreads,
                .shared_bytes = params.shared_bytes,
                .stream = static_cast<cudaStream_t>(stream),
                .cluster = kChainBlocks},
               params);
}

}  // namespace octile::cuda
