// Layers in a row at batch 1, one launch: see conv_chain.h. Start reading at chain_kernel().
#include <cuda_runtime.h>

#include <type_traits>

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
constexpr int kBatch = 2;   // pieces of the input that a thread has on their way at once
constexpr int kGroups = 4;  // of K, read before they are multiplied

/// What this thread wrote before, to any memory, is there for all threads of the cluster behind
/// their wait.
__device__ __forceinline__ void arrive_at_meeting() {
  __syncwarp();
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}
__device__ __forceinline__ void wait_for_meeting() {
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

/// This block's share of a layer.
struct Part {
  int column_part, first_row, rows;

  __device__ __forceinline__ Part(const ChainLayer& l, int block) {
    column_part = block % l.share.column_parts;
    const int row_part = block / l.share.column_parts;
    first_row = row_part * l.share.part_rows;
    rows = row_part < l.share.row_parts ? max(0, min(l.share.part_rows, l.tail.rows - first_row))
                                        : 0;
  }
};

// --- the input: pieces of one or four words of a staged pixel ---

/// Which piece: where it lies in the image, and its first word in its pixel.
struct Piece {
  int y, x, word;
  bool inside;

  template <int kWords>
  static __device__ __forceinline__ Piece at(const ChainLayer& l, int first_line, int index) {
    const int pixel = l.by_pieces.quotient(index);
    const int line = l.by_staged_w.quotient(pixel);
    Piece p;
    p.word = (index - pixel * static_cast<int>(l.by_pieces.by)) * kWords;
    p.y = first_line + line - l.pad_top;
    p.x = pixel - line * l.staged_w - l.pad_left;
    p.inside = p.y >= 0 && p.y < l.image_h && p.x >= 0 && p.x < l.image_w;
    return p;
  }
};

template <int kWords>
using Words = std::conditional_t<kWords == 4, uint4, uint32_t>;

__device__ __forceinline__ uint4 all_words(uint32_t word, uint4) {
  return make_uint4(word, word, word, word);
}
__device__ __forceinline__ uint32_t all_words(uint32_t word, uint32_t) { return word; }

template <bool kUnsigned>
__device__ __forceinline__ uint32_t larger(uint32_t a, uint32_t b) {
  return kUnsigned ? __vmaxu4(a, b) : __vmaxs4(a, b);
}
template <bool kUnsigned>
__device__ __forceinline__ uint4 larger(uint4 a, uint4 b) {
  return make_uint4(larger<kUnsigned>(a.x, b.x), larger<kUnsigned>(a.y, b.y),
                    larger<kUnsigned>(a.z, b.z), larger<kUnsigned>(a.w, b.w));
}

/// In memory.
struct FromFloats {
  using Word = uint32_t;
  static constexpr int kWords = 1;
  const ChainLayer& l;
  const float* x;

  __device__ __forceinline__ uint32_t read(const Piece& p) const {
    const int pixel = p.y * l.source_w + p.x, area = l.source_h * l.source_w;
    const bool planar = l.source == ChainSource::kPlanarFloats;
    const int step = planar ? area : 1;
    const float* from = x + (planar ? p.word * 4 * area + pixel : pixel * l.source_c + p.word * 4);
    float v[4];
#pragma unroll
    for (int b = 0; b < 4; ++b) v[b] = 4 * p.word + b < l.source_c ? from[b * step] : 0.0f;
    uint32_t packed = 0;
#pragma unroll
    for (int b = 0; b < 4; ++b) {
      packed |= ((l.quantizer.bits(v[b]) + l.quantizer_base) & 255) << (8 * b);
    }
    return packed;
  }
};

template <int kWordsRead>
struct FromBytes {
  using Word = Words<kWordsRead>;
  static constexpr int kWords = kWordsRead;
  const ChainLayer& l;
  const uint8_t* x;

  __device__ __forceinline__ Word read(const Piece& p) const {
    const uint8_t* from = x + (p.y * l.source_w + p.x) * l.source_c + 4 * p.word;
    if constexpr (kWords == 4) {
      return *reinterpret_cast<const uint4*>(from);
    } else {
      return load_four(from, l.source_c - 4 * p.word, l.source_c % 4 == 0 ? 4 : 1);
    }
  }
};

/// With the blocks that made it, pooled: the largest of the window.
template <bool kUnsigned, int kWordsRead>
struct FromBlocks {
  using Word = Words<kWordsRead>;
  static constexpr int kWords = kWordsRead;
  const ChainLayer& l;
  uint32_t s_made;

  __device__ __forceinline__ Word read(const Piece& p) const {
    const int column = l.from.by_words.quotient(p.word);
    const int within = (p.word - column * static_cast<int>(l.from.by_words.by)) * 4;
    const int top = p.y * l.pool.stride_h - l.pool.pad_top;
    const int left = p.x * l.pool.stride_w - l.pool.pad_left;
    const int taps = l.pool.kernel_h * l.pool.kernel_w;
    const auto tap = [&](int t) {  // one beside the image is once more what another is
      const int kh = l.pool.by_kernel_w.quotient(t), kw = t - kh * l.pool.kernel_w;
      const int y = min(max(top + kh, 0), l.source_h - 1);
      const int x = min(max(left + kw, 0), l.source_w - 1);
      return fetch(y * l.source_w + x, column, within);
    };
    Word v = tap(0);
    for (int t = 1; t < taps; t += 3) {  // three on their way at once; the last perhaps twice
      const Word a = tap(t), b = tap(min(t + 1, taps - 1)), c = tap(min(t + 2, taps - 1));
      v = larger<kUnsigned>(larger<kUnsigned>(v, a), larger<kUnsigned>(b, c));
    }
    return v;
  }

 private:
  __device__ __forceinline__ Word fetch(int row, int column, int within) const {
    const int row_part = l.from.by_rows.quotient(row);
    const int local = row - row_part * l.from.part_rows;
    const uint32_t at = s_made + static_cast<uint32_t>(local * l.from.channels() + within);
    return read_block<Word>(at, row_part * l.from.column_parts + column);
  }
};

/// The lines that the part's windows touch.
template <class Source>
__device__ __forceinline__ void stage(const ChainLayer& l, const Part& part, const Source& source,
                                      uint8_t* s_image) {
  constexpr int kWords = Source::kWords;
  using Word = typename Source::Word;
  const int first_line = l.first_line(part.first_row);
  const int pieces = l.lines(part.first_row, part.rows) * l.staged_w *
                     static_cast<int>(l.by_pieces.by);
  for (int first = threadIdx.x; first < pieces; first += kBatch * kChainThreads) {
    Word v[kBatch];
#pragma unroll
    for (int b = 0; b < kBatch; ++b) {
      const Piece piece = Piece::at<kWords>(l, first_line, first + b * kChainThreads);
      v[b] = all_words(l.border, Word{});
      if (piece.inside && first + b * kChainThreads < pieces) v[b] = source.read(piece);
    }
#pragma unroll
    for (int b = 0; b < kBatch; ++b) {
      const int index = first + b * kChainThreads;
      if (index < pieces) reinterpret_cast<Word*>(s_image)[index] = v[b];
    }
  }
}

template <bool kUnsigned>
__device__ __forceinline__ void stage(const ChainLayer& l, const Part& part, uint8_t* s_memory) {
  uint8_t* s_image = s_memory + l.s_image;
  const bool wide = l.wide_pieces;
  if (l.source == ChainSource::kBlocks) {
    const uint32_t s_made = shared_address(s_memory + l.from.s_made);
    wide ? stage(l, part, FromBlocks<kUnsigned, 4>{l, s_made}, s_image)
         : stage(l, part, FromBlocks<kUnsigned, 1>{l, s_made}, s_image);
  } else if (l.source == ChainSource::kBytes) {
    const auto* x = static_cast<const uint8_t*>(l.x);
    wide ? stage(l, part, FromBytes<4>{l, x}, s_image)
         : stage(l, part, FromBytes<1>{l, x}, s_image);
  } else {
    stage(l, part, FromFloats{l, static_cast<const float*>(l.x)}, s_image);
  }
}

// --- products ---

template <bool kWide>
__device__ __forceinline__ uint4 four_words(const uint32_t* s_window, const uint16_t* s_table,
                                            int group, int t) {
  if constexpr (kWide) return *reinterpret_cast<const uint4*>(s_window + s_table[4 * group + t]);
  const uint16_t* at = s_table + kGroupWords * group + t;
  return make_uint4(s_window[at[0]], s_window[at[4]], s_window[at[8]], s_window[at[12]]);
}

/// What a layer's products read, and where its bytes go.
struct Bench {
  const uint32_t* s_image;
  const int32_t* s_bias;
  const float* s_multiplier;
  const uint16_t* s_table;
  const uint4* s_weights;
  uint8_t* s_made;  // null: memory

  __device__ __forceinline__ Bench(const ChainLayer& l, uint8_t* s_memory) {
    uint8_t* s_part = s_memory + l.s_part;
    s_image = reinterpret_cast<const uint32_t*>(s_memory + l.s_image);
    s_bias = reinterpret_cast<const int32_t*>(s_part);
    s_multiplier = reinterpret_cast<const float*>(s_part + l.bias_bytes());
    s_table = reinterpret_cast<const uint16_t*>(s_part + l.table_at());
    s_weights = reinterpret_cast<const uint4*>(s_part + l.weights_at());
    s_made = l.share.s_made < 0 ? nullptr : s_memory + l.share.s_made;
  }
};

/// Two neighbouring channels of row `at`, the first `channel` of the part.
__device__ __forceinline__ void finish_two(const ChainLayer& l, const Bench& bench,
                                           const Part& part, int at, int channel, int32_t first,
                                           int32_t second) {
  const int2 bias = *reinterpret_cast<const int2*>(bench.s_bias + channel);
  const float2 multiplier = *reinterpret_cast<const float2*>(bench.s_multiplier + channel);
  const float v = scaled(first, bias.x, multiplier.x), w = scaled(second, bias.y, multiplier.y);
  if (bench.s_made != nullptr) {
    const uint32_t both = finish_byte(l.tail, v) | finish_byte(l.tail, w) << 8;
    uint8_t* s_target = bench.s_made + (at - part.first_row) * l.share.channels() + channel;
    *reinterpret_cast<uint16_t*>(s_target) = static_cast<uint16_t>(both);
    return;
  }
  const int c = part.column_part * l.share.channels() + channel;
  const int64_t offset = int64_t{at} * l.tail.out_c + c;
  if (c < l.tail.out_c) store_finished(l.tail, offset, v);
  if (c + 1 < l.tail.out_c) store_finished(l.tail, offset + 1, w);
}

/// kCount groups from `group` on.
template <bool kUnsigned, bool kWide, bool kBoth, int kCount>
__device__ __forceinline__ void multiply_groups(const uint4* s_weights, const uint16_t* s_table,
                                                const uint32_t* s_low, const uint32_t* s_high,
                                                int group, int32_t (&sums)[2][4]) {
  const int t = threadIdx.x % 4;
  uint4 b[kCount], low[kCount], high[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    b[i] = s_weights[(group + i) * 32];
    low[i] = four_words<kWide>(s_low, s_table, group + i, t);
    high[i] = make_uint4(0, 0, 0, 0);
    if constexpr (kBoth) high[i] = four_words<kWide>(s_high, s_table, group + i, t);
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const uint32_t first[4] = {low[i].x, high[i].x, low[i].y, high[i].y};
    const uint32_t second[4] = {low[i].z, high[i].z, low[i].w, high[i].w};
    mma_16x8x32<kUnsigned>(sums[0], first, b[i].x, b[i].y);
    mma_16x8x32<kUnsigned>(sums[1], second, b[i].z, b[i].w);
  }
}

/// Tile `n` of 8 channels, of the 16 rows from `row` on. kBoth: more than 8 of them exist.
template <bool kUnsigned, bool kWide, bool kBoth>
__device__ __forceinline__ void multiply_tile(const ChainLayer& l, const Bench& bench,
                                              const Part& part, int row, int n) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int last_row = part.first_row + part.rows - 1;
  const int above = l.first_line(part.first_row) * l.line_words;
  const auto window = [&](int at) {
    const int y = l.by_out_w.quotient(at), x = at - y * static_cast<int>(l.by_out_w.by);
    return bench.s_image + y * l.stride_h * l.line_words - above + x * l.stride_w * l.pixel_words;
  };
  const uint32_t* s_low = window(min(row + g, last_row));
  const uint32_t* s_high = window(min(row + g + 8, last_row));
  const uint4* s_weights = bench.s_weights + n * l.groups * 32 + lane;
  const int groups = l.groups;
  int32_t sums[2][4] = {};
  int group = 0;
  for (; group + kGroups <= groups; group += kGroups) {
    multiply_groups<kUnsigned, kWide, kBoth, kGroups>(s_weights, bench.s_table, s_low, s_high,
                                                      group, sums);
  }
  for (; group < groups; ++group) {
    multiply_groups<kUnsigned, kWide, kBoth, 1>(s_weights, bench.s_table, s_low, s_high, group,
                                                sums);
  }
#pragma unroll
  for (int half = 0; half < (kBoth ? 2 : 1); ++half) {
    const int at = row + g + 8 * half;
    if (at > last_row) continue;
    finish_two(l, bench, part, at, n * kChainColumns + 2 * t,
               sums[0][2 * half] + sums[1][2 * half],
               sums[0][2 * half + 1] + sums[1][2 * half + 1]);
  }
}

template <bool kUnsigned, bool kWide>
__device__ __forceinline__ void multiply(const ChainLayer& l, const Part& part, uint8_t* s_memory) {
  const Bench bench(l, s_memory);
  const int row_tiles = (part.rows + 15) / 16;
  for (int tile = threadIdx.x / 32; tile < row_tiles * l.share.part_tiles; tile += kWarps) {
    const int n = tile / row_tiles, within = (tile - n * row_tiles) * 16;
    const int row = part.first_row + within;
    if (part.rows - within > 8) {
      multiply_tile<kUnsigned, kWide, true>(l, bench, part, row, n);
    } else {
      multiply_tile<kUnsigned, kWide, false>(l, bench, part, row, n);
    }
  }
}

/// Sends for what layer `i` needs.
__device__ __forceinline__ void load_part(const ChainLayer& l, uint8_t* s_memory,
                                          uint64_t* s_loaded) {
  const Part part(l, static_cast<int>(blockIdx.x));
  if (part.rows == 0) return;
  const auto bytes = static_cast<uint32_t>(l.part_bytes);
  barrier_expect(s_loaded, bytes);
  copy_run(s_memory + l.s_part, l.packed + int64_t{part.column_part} * l.part_bytes, bytes,
           s_loaded);
}

/// One thread: what may be sent for now that the input of `layer` is there.
__device__ __forceinline__ void load_parts(const ChainParams& p, int layer, uint8_t* s_memory,
                                           uint64_t* s_loaded) {
  fence_for_engines();  // what lay there has been read
  for (int i = 1; i < p.count; ++i) {
    if (p.layers[i].load_at == layer) load_part(p.layers[i], s_memory, s_loaded + i);
  }
}

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

__global__ void __launch_bounds__(kChainThreads)
    chain_kernel(const __grid_constant__ ChainParams p) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(128) uint8_t s_memory[];
  __shared__ uint64_t s_loaded[kMostChained];
  __shared__ ChainLayer s_layers[kMostChained];
  if (threadIdx.x == 0) {
    for (int i = 0; i < p.count; ++i) barrier_init(s_loaded + i, 1);
    barrier_init_done();
    load_part(p.layers[0], s_memory, s_loaded);
  }
  if (const int warp = threadIdx.x / 32; warp < p.count) {  // parameters are slow at first touch
    const auto* words = reinterpret_cast<const uint32_t*>(p.layers + warp);
    auto* s_words = reinterpret_cast<uint32_t*>(s_layers + warp);
    for (int w = threadIdx.x % 32; w < static_cast<int>(sizeof(ChainLayer) / 4); w += 32) {
      s_words[w] = words[w];
    }
  }
  __syncthreads();
  wait_for_earlier_kernels();
  for (int i = 0; i < p.count; ++i) {
    const ChainLayer& l = s_layers[i];
    const Part part(l, static_cast<int>(blockIdx.x));
    if (i > 0) wait_for_meeting();
    if (part.rows > 0) {
      l.is_unsigned ? stage<true>(l, part, s_memory) : stage<false>(l, part, s_memory);
    }
    __syncthreads();
    // Behind the first input, for which large weights would not make way.
    if (threadIdx.x == 0) load_parts(p, i, s_memory, s_loaded);
    if (part.rows > 0) {
      barrier_wait(s_loaded + i, 0);
      if (l.wide) {
        l.is_unsigned ? multiply<true, true>(l, part, s_memory)
                      : multiply<false, true>(l, part, s_memory);
      } else {
        l.is_unsigned ? multiply<true, false>(l, part, s_memory)
                      : multiply<false, false>(l, part, s_memory);
      }
    }
    arrive_at_meeting();
  }
  wait_for_meeting();  // others may still fetch from this block
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
