// First layers: one to four channels, small windows, floats that are quantized on the way or bytes
// (sm_80 and later, mma.sync). Blocks stay and take one tile of outputs after the other:
//
//   wait for the staged image ▸ quantize it into words (conv_stem_patch.h) ▸ start copying the next
//   tile's ▸ multiply and finish, 16 pixels × 32 columns a warp at a time
//
// sm_90 copies by its engine where it can, which spares a tenth of all instructions.
//
// K is the list of the window's words, row by row, 8 a step; 4 are a chunk. A fragments are words
// of the patch, read in place: a lane's word of a chunk lies at the same offset from the window's
// start for all outputs. A warp keeps its columns' weights in registers for good.
#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_stem_patch.h"
#include "kernels/cuda/device/mma.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/launch.h"

namespace octile::cuda {
namespace {

[[maybe_unused]] constexpr int kTiles = kStemColumns / 8;     // of 8 columns, a warp
[[maybe_unused]] constexpr int kChannels = kStemColumns / 4;  // neighbouring ones, a lane

#if __CUDA_ARCH__ >= 800

struct Tile {
  int n, y, x;
  __device__ __forceinline__ Tile(const StemMmaParams& p, int tile) {
    uint32_t image, within, line, column;
    p.tiles_of_image.split(static_cast<uint32_t>(tile), image, within);
    p.tiles_of_line.split(within, line, column);
    n = static_cast<int>(image);
    y = static_cast<int>(line) * p.tile_h, x = static_cast<int>(column) * p.tile_w;
  }
  __device__ __forceinline__ int h(const ConvParams& c) const { return y * c.stride_h - c.pad_top; }
  __device__ __forceinline__ int w(const StemMmaParams& p) const {
    return x * p.conv.stride_w - p.conv.pad_left - p.patch.shift;
  }
};

/// Bytes from a window's start to its word number `word` of K.
__device__ __forceinline__ uint32_t word_offset(const StemMmaParams& p, int word) {
  const int row = word / p.pitch;
  if (row >= p.conv.kernel_h) return 0;  // behind the last and between rows: weights are 0
  const int column = min(word - row * p.pitch, p.words_of_row - 1) * p.word_step;
  return static_cast<uint32_t>(4 * (row * p.patch.line_pixels + column));
}

/// What a warp knows of its 32 columns, and where their lanes find A.
template <int kSteps>
struct Columns {
  /// From chunk to chunk it is as far as from the one before: see WindowWords.
  static constexpr bool kEven = kSteps > 4;

  uint32_t weights[kSteps][kTiles][2];
  int2 bias[kTiles];
  float4 scale[kChannels / 4];
  uint32_t offset[kEven ? 1 : 2 * kSteps];  // the lane's, by chunk

  __device__ __forceinline__ void load(const StemMmaParams& p, int column) {
    const ConvParams& c = p.conv;
    const int lane = static_cast<int>(threadIdx.x) % 32, t = lane % 4;
    const auto* g_weights = reinterpret_cast<const uint4*>(c.weights) +
                            (static_cast<int64_t>(column) / kStemColumns * kSteps * 32 + lane) * 2;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
#pragma unroll
      for (int j = 0; j < kTiles; j += 2) {
        const uint4 words = __ldg(g_weights + 64 * step + j / 2);
        weights[step][j][0] = words.x, weights[step][j][1] = words.y;
        weights[step][j + 1][0] = words.z, weights[step][j + 1][1] = words.w;
      }
    }
    const int channel = column + t * kChannels;
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      bias[j] = __ldg(reinterpret_cast<const int2*>(c.tail.bias + channel) + j);
    }
#pragma unroll
    for (int i = 0; i < kChannels / 4; ++i) {
      scale[i] = __ldg(reinterpret_cast<const float4*>(c.tail.multiplier + channel) + i);
    }
    if constexpr (kEven) {
      offset[0] = static_cast<uint32_t>(4 * t * p.word_step);
    } else {
#pragma unroll
      for (int chunk = 0; chunk < 2 * kSteps; ++chunk) {
        offset[chunk] = word_offset(p, 4 * chunk + t);
      }
    }
  }
};

__device__ __forceinline__ uint32_t load_word(const char* s_word) {
  return *reinterpret_cast<const uint32_t*>(s_word);
}

/// sums[j]: biases and products of 16 pixels, whose windows start at s_window (the lane's pixel g)
/// and on, with columns 8j to 8j + 7.
template <int kSteps, bool kUnsigned>
__device__ __forceinline__ void multiply(const StemMmaParams& p, const Columns<kSteps>& columns,
                                         const uint32_t* s_window, int32_t (&sums)[kTiles][4]) {
  const char* s_first = reinterpret_cast<const char*>(s_window);
  if constexpr (Columns<kSteps>::kEven) s_first += columns.offset[0];
  const char* s_eighth = s_first + 4 * 8 * p.conv.stride_w;  // the window of pixel g + 8
#pragma unroll
  for (int j = 0; j < kTiles; ++j) {
    sums[j][0] = sums[j][2] = columns.bias[j].x;
    sums[j][1] = sums[j][3] = columns.bias[j].y;
  }
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    uint32_t a[4];
    if constexpr (Columns<kSteps>::kEven) {
      a[0] = load_word(s_first), a[2] = load_word(s_first + p.half_bytes);
      a[1] = load_word(s_eighth), a[3] = load_word(s_eighth + p.half_bytes);
      s_first += p.step_bytes, s_eighth += p.step_bytes;
    } else {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        a[2 * half] = load_word(s_first + columns.offset[2 * step + half]);
        a[2 * half + 1] = load_word(s_eighth + columns.offset[2 * step + half]);
      }
    }
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      mma_16x8x32<kUnsigned>(sums[j], a, columns.weights[step][j][0], columns.weights[step][j][1]);
    }
  }
}

/// What conv_epilogue.h does, of sums that hold the bias: kChannels channels from `channel` on of
/// one or two pixels, which exist where `rows` is not negative.
template <Finish kFinish, bool kResidual, int kPixels>
__device__ __forceinline__ void finish_pixels(const ConvTail& tail,
                                              const float4 (&scales)[kChannels / 4],
                                              const int (&rows)[kPixels], int channel,
                                              const int32_t (&sums)[kTiles][2 * kPixels]) {
  const int count = min(kChannels, tail.out_c - channel);
#pragma unroll
  for (int l = 0; l < kPixels; ++l) {
    if (rows[l] < 0 || count <= 0) continue;
    const uint64_t offset = offset_of(tail, rows[l], channel);
    uint4 residual;
    if constexpr (kResidual)
      residual = load_bytes(tail.residual + offset, count, min(kChannels, tail.store_bytes));
    uint32_t words[4] = {};
#pragma unroll
    for (int i = 0; i < kChannels / 4; ++i) {
      const float4 scale = scales[i];
      const int32_t(&low)[2 * kPixels] = sums[2 * i], (&high)[2 * kPixels] = sums[2 * i + 1];
      float v[4] = {scaled(low[2 * l], 0, scale.x), scaled(low[2 * l + 1], 0, scale.y),
                    scaled(high[2 * l], 0, scale.z), scaled(high[2 * l + 1], 0, scale.w)};
      if constexpr (kFinish == Finish::kFloat) {
        store_floats(tail, offset + 4 * i, v, count - 4 * i);
      } else {
        if constexpr (kResidual) add_residual(tail, (&residual.x)[i], v);
        words[i] = pack_results<kFinish>(tail, v);
      }
    }
    if constexpr (kFinish == Finish::kFloat) continue;
    uint8_t* y = static_cast<uint8_t*>(tail.y) + offset;
    if (tail.store_bytes >= kChannels) {
      *reinterpret_cast<uint2*>(y) = make_uint2(words[0], words[1]);
    } else {
      store_bytes(y, words, count, tail.store_bytes);
    }
  }
}

/// The warp's columns of a tile's outputs, from its patch.
template <int kSteps, bool kUnsigned>
__device__ __forceinline__ void compute_tile(const StemMmaParams& p, const Columns<kSteps>& columns,
                                             const Tile& tile, int column,
                                             const uint32_t* s_words) {
  const ConvParams& c = p.conv;
  const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
  const int sixteens = p.tile_h << p.log_across, step = kStemWarps >> p.log_groups;
  const int channel = column + t * kChannels;
  by_finish(c.tail, [&]<Finish kFinish, bool kResidual>() {
    for (int i = static_cast<int>(threadIdx.x) / 32 >> p.log_groups; i < sixteens; i += step) {
      const int line = i >> p.log_across, pixel = (i - (line << p.log_across)) * kStemSide;
      const int y = tile.y + line, x = tile.x + pixel + g;
      if (y >= c.out_h || x - g >= c.out_w) continue;
      int32_t sums[kTiles][4];
      multiply<kSteps, kUnsigned>(p, columns,
                                  s_words + line * c.stride_h * p.patch.line_pixels +
                                      p.patch.shift + (pixel + g) * c.stride_w,
                                  sums);
      const int row = (tile.n * c.out_h + y) * c.out_w + x;
      const int rows[2] = {x < c.out_w ? row : -1, x + 8 < c.out_w ? row + 8 : -1};
      finish_pixels<kFinish, kResidual>(c.tail, columns.scale, rows, channel, sums);
    }
  });
}

/// The same through a max pooling of 2 × 2, on sums: what follows them does not fall where they
/// rise. Lane g of an even pixel finishes it and its neighbour, of an odd one the two that lie 8
/// further.
template <int kSteps, bool kUnsigned, Finish kFinish>
__device__ __forceinline__ void compute_pooled(const StemMmaParams& p,
                                               const Columns<kSteps>& columns, const Tile& tile,
                                               int column, const uint32_t* s_words) {
  const ConvParams& c = p.conv;
  const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
  const bool odd = g % 2 != 0;
  const int pairs = p.tile_h / 2 << p.log_across, step = kStemWarps >> p.log_groups;
  const int pooled_h = c.out_h / 2, pooled_w = c.out_w / 2;
  const int line_words = c.stride_h * p.patch.line_pixels;
  for (int i = static_cast<int>(threadIdx.x) / 32 >> p.log_groups; i < pairs; i += step) {
    const int pair = i >> p.log_across, pixel = (i - (pair << p.log_across)) * kStemSide;
    const int y = tile.y / 2 + pair, x = tile.x + pixel;
    if (y >= pooled_h || x >= c.out_w) continue;
    const uint32_t* s_window =
        s_words + 2 * pair * line_words + p.patch.shift + (pixel + g) * c.stride_w;
    int32_t sums[kTiles][4], below[kTiles][4], largest[kTiles][2];
    multiply<kSteps, kUnsigned>(p, columns, s_window, sums);
    multiply<kSteps, kUnsigned>(p, columns, s_window + line_words, below);
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int32_t near = max(sums[j][e], below[j][e]);
        const int32_t far = max(sums[j][2 + e], below[j][2 + e]);
        largest[j][e] = largest_with_neighbour(near, far, odd);
      }
    }
    const int at = x / 2 + g / 2 + (odd ? 4 : 0);  // of the pooled line
    const int rows[1] = {at < pooled_w ? (tile.n * pooled_h + y) * pooled_w + at : -1};
    finish_pixels<kFinish, false>(c.tail, columns.scale, rows, column + t * kChannels, largest);
  }
}

/// Brings the floats under one tile after the other to s_stage.
class Stager {
 public:
  /// All threads of the block.
  __device__ __forceinline__ Stager(const StemMmaParams& p, const CUtensorMap& map, float* s_stage,
                                    uint64_t* s_barrier)
      : p_(p),
        map_(map),
        s_stage_(s_stage),
        engine_(s_barrier, p.patch.by_engine != 0),
        copies_(p.patch) {}

  __device__ __forceinline__ void start(int tile) const {
    const Tile at(p_, tile);
    const int h = at.h(p_.conv), w = at.w(p_);
    if (engine_.is_on()) {
      engine_.copy(p_.conv, p_.patch, map_, at.n, h, w, s_stage_);
    } else if (p_.patch.piece == 4) {
      copy_patch<4>(p_.conv, p_.patch, copies_, at.n, h, w, s_stage_);
    } else {
      copy_patch<1>(p_.conv, p_.patch, copies_, at.n, h, w, s_stage_);
    }
    commit_copies();
  }
  /// Until what this thread, or the engine, copies is there.
  __device__ __forceinline__ void wait() {
    if (engine_.is_on()) {
      engine_.wait();
    } else {
      wait_copies<0>();
    }
  }

 private:
  const StemMmaParams& p_;
  const CUtensorMap& map_;
  float* s_stage_;
  StemEngine engine_;
  StemCopies copies_;
};

#endif  // __CUDA_ARCH__ >= 800

template <int kSteps, bool kUnsigned, bool kPools>
__global__ void __launch_bounds__(kStemThreads, stem_blocks(kSteps, kPools))
    conv_stem_mma(const __grid_constant__ StemMmaParams p,
                  const __grid_constant__ CUtensorMap map) {
#if __CUDA_ARCH__ >= 800
  extern __shared__ __align__(128) uint4 s_memory[];
  auto* s_words =
      reinterpret_cast<uint32_t*>(s_memory) + kStemBarrierBytes / 4;  // (lines, line_pixels)
  auto* s_stage =
      reinterpret_cast<float*>(s_words) + p.patch.stage_offset;  // (planes, lines, row_values)
  const int step = static_cast<int>(gridDim.x), warp = static_cast<int>(threadIdx.x) / 32;
  const bool is_float = p.patch.is_float != 0;
  const int group = warp & ((1 << p.log_groups) - 1);
  const int column = ((static_cast<int>(blockIdx.y) << p.log_groups) + group) * kStemColumns;
  Columns<kSteps> columns;
  columns.load(p, column);
  wait_for_earlier_kernels();
  Stager stager(p, map, s_stage, reinterpret_cast<uint64_t*>(s_memory));
  if (is_float) stager.start(static_cast<int>(blockIdx.x));
  for (int i = static_cast<int>(blockIdx.x); i < p.tiles; i += step) {
    const Tile tile(p, i);
    if (is_float) stager.wait();
    __syncthreads();  // the image is staged, and nobody reads the words any more
    if (is_float) {
      quantize_patch(p.conv, p.patch, s_stage, reinterpret_cast<uint4*>(s_words));
    } else {
      gather_patch(p.conv, p.patch, tile.n, tile.h(p.conv), tile.w(p), s_words);
    }
    __syncthreads();  // the words are there, and nobody reads the staged image any more
    if (is_float && i + step < p.tiles) stager.start(i + step);
    if (column >= p.conv.tail.out_c) continue;
    if constexpr (kPools) {
      by_finish(p.conv.tail, [&]<Finish kFinish, bool kResidual>() {
        if constexpr (kFinish != Finish::kFloat && !kResidual) {
          compute_pooled<kSteps, kUnsigned, kFinish>(p, columns, tile, column, s_words);
        }
      });
    } else {
      compute_tile<kSteps, kUnsigned>(p, columns, tile, column, s_words);
    }
  }
#endif
}

// ---- the host side ------------------------------------------------------------------------------

std::string refuse(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  if (auto reason = refuse_common(kernel, p, device); !reason.empty()) return reason;
  if (p.in_c > 4) return "takes at most four channels";
  if (p.groups != 1) return "takes one group";
  if (p.dilation_h != 1 || p.dilation_w != 1) return "no dilation";
  const bool is_float = p.x_type == ConvType::kFloat;
  if (!is_float && p.kernel_h * p.kernel_w == 1) return "a window of one tap has other rows";
  if (is_float && !StemQuantizer::takes(p)) return "the input's scale or zero point is unusual";
  if (!stem_fits(p, device)) return "the window is too large";
  return "";
}

using Function = void (*)(StemMmaParams, CUtensorMap);

template <bool kUnsigned, bool kPools>
Function function_of(int32_t steps) {
  return steps == 2   ? conv_stem_mma<2, kUnsigned, kPools>
         : steps == 4 ? conv_stem_mma<4, kUnsigned, kPools>
                      : conv_stem_mma<7, kUnsigned, kPools>;
}

template <bool kUnsigned>
Function function_of(int32_t steps, bool pools) {
  return pools ? function_of<kUnsigned, true>(steps) : function_of<kUnsigned, false>(steps);
}

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
            const ConvOperands& operands, Stream stream) {
  const StemMmaParams params = stem_params(p, device, operands);
  const bool is_unsigned = (p.x_type == ConvType::kFloat ? p.x_stored : p.x_type) == ConvType::kU8;
  const Function function = is_unsigned ? function_of<true>(params.steps, p.pools)
                                        : function_of<false>(params.steps, p.pools);
  const auto bytes = static_cast<int32_t>(stem_shared_bytes(params.patch));
  const int32_t columns = kStemColumns << params.log_groups;
  const int32_t groups = (p.out_c + columns - 1) / columns;
  const int32_t resident =
      std::min(stem_blocks(params.steps, p.pools), (device.shared_bytes + 1024) / (bytes + 1024));
  const int32_t most = std::max(1, device.multiprocessors * resident / groups);
  const dim3 grid(static_cast<unsigned>(std::min(params.tiles, most)),
                  static_cast<unsigned>(groups));
  const CUtensorMap map =
      params.patch.by_engine != 0 ? stem_map(kernel, p, params.patch, operands.x) : CUtensorMap{};
  start_kernel(function, {grid, kStemThreads, bytes, stream}, params, map);
  check_launch(kernel);
}

}  // namespace

extern const ConvKernel kConvStemMma;
const ConvKernel kConvStemMma{
    "cuda.stem.mma", 80,           false,  0,    refuse, stem_packed_bytes,
    stem_pack,       no_workspace, launch, true, true};

}  // namespace octile::cuda
