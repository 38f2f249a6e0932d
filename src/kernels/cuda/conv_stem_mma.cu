// First layers: one to four channels, small windows, floats that are quantized on the way or bytes
// (sm_80 and later, mma.sync). Blocks stay and take one tile of outputs after the other:
//
//   wait for the staged image ▸ quantize it into words (conv_stem_patch.h) ▸ start copying the next
//   tile's ▸ multiply and finish, 2 lines × 16 pixels × all columns a warp at a time
//
// K is the list of the window's words, row by row, 8 a step: A fragments are words of the patch,
// read in place at offsets that are the same for all tiles (s_offsets).
#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_stem_patch.h"
#include "kernels/cuda/device/mma.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/launch.h"

namespace octile::cuda {
namespace {

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

/// What stays in shared memory, and behind it the patch.
template <int kColumns>
struct Stay {
  uint4* s_weights;   // (steps, kColumns / 16, 32)
  int4* s_bias;       // (kColumns / 8, 4): two channels' biases, twice: a fragment's start
  float4* s_scale;    // (kColumns / 4)
  uint2* s_offsets;   // (steps, 4): of both halves' words
  uint32_t* s_words;  // (lines, line_pixels)
  float* s_stage;     // (rows, row_values)

  __device__ __forceinline__ Stay(const StemMmaParams& p, uint4* s_memory)
      : s_weights(s_memory),
        s_bias(reinterpret_cast<int4*>(s_weights + p.steps * kColumns * 2)),
        s_scale(reinterpret_cast<float4*>(s_bias + kColumns / 2)),
        s_offsets(reinterpret_cast<uint2*>(s_scale + kColumns / 4)),
        s_words(reinterpret_cast<uint32_t*>(s_offsets + p.steps * 4)),
        s_stage(reinterpret_cast<float*>(s_words + p.patch.lines * p.patch.line_pixels)) {}
};

/// Bytes from a window's first word to its word number `word`.
__device__ __forceinline__ uint32_t word_offset(const StemMmaParams& p, int word) {
  const int row = word / p.words_of_row;
  if (row >= p.conv.kernel_h) return 0;  // behind the last: weights are 0
  const int column = (word - row * p.words_of_row) * p.word_step;
  return static_cast<uint32_t>(4 * (row * p.patch.line_pixels + column));
}

template <int kColumns>
__device__ __forceinline__ void fill_stay(const StemMmaParams& p, const Stay<kColumns>& s,
                                          int column) {
  const ConvParams& c = p.conv;
  const int thread = static_cast<int>(threadIdx.x);
  const auto* g_weights =
      reinterpret_cast<const uint4*>(c.weights) + static_cast<int64_t>(column) * c.k_bytes / 16;
  for (int i = thread; i < p.steps * kColumns * 2; i += kStemThreads) {
    copy_async<16>(s.s_weights + i, g_weights + i);
  }
  if (thread < kColumns / 4) {
    copy_async<16>(s.s_scale + thread, c.tail.multiplier + column + 4 * thread);
  }
  if (thread < kColumns / 2) {
    const int channel = column + thread % 4 * (kColumns / 4) + thread / 4 * 2;
    const int low = c.tail.bias[channel], high = c.tail.bias[channel + 1];
    s.s_bias[thread] = make_int4(low, high, low, high);
  }
  for (int i = thread; i < p.steps * 4; i += kStemThreads) {
    const int word = i / 4 * 8 + i % 4;
    s.s_offsets[i] = make_uint2(word_offset(p, word), word_offset(p, word + 4));
  }
}

/// sums[l][j]: bias + products of line l's 16 pixels and columns 8j to 8j + 7.
template <int kColumns, bool kUnsigned>
__device__ __forceinline__ void multiply(const StemMmaParams& p, const Stay<kColumns>& s,
                                         const uint32_t* s_lane,
                                         int32_t (&sums)[2][kColumns / 8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32, t = lane % 4;
  const int next_line = 4 * p.conv.stride_h * p.patch.line_pixels;  // bytes
  const int next_half = 4 * 8 * p.conv.stride_w;
#pragma unroll
  for (int j = 0; j < kColumns / 8; ++j) {
    const int4 bias = s.s_bias[4 * j + t];
#pragma unroll
    for (int l = 0; l < 2; ++l) {
      sums[l][j][0] = bias.x, sums[l][j][1] = bias.y;
      sums[l][j][2] = bias.z, sums[l][j][3] = bias.w;
    }
  }
  const uint2* s_offset = s.s_offsets + t;
  const uint4* s_weight = s.s_weights + lane;
#pragma unroll 1
  for (int step = 0; step < p.steps; ++step) {
    const uint2 offset = *s_offset;
    uint32_t a[2][4];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const char* s_word =
          reinterpret_cast<const char*>(s_lane) + (half == 0 ? offset.x : offset.y);
      const auto word = [&](int bytes) {
        return *reinterpret_cast<const uint32_t*>(s_word + bytes);
      };
      a[0][2 * half] = word(0), a[0][2 * half + 1] = word(next_half);
      a[1][2 * half] = word(next_line), a[1][2 * half + 1] = word(next_line + next_half);
    }
#pragma unroll
    for (int j = 0; j < kColumns / 16; ++j) {
      const uint4 b = s_weight[32 * j];
#pragma unroll
      for (int l = 0; l < 2; ++l) {
        mma_16x8x32<kUnsigned>(sums[l][2 * j], a[l], b.x, b.y);
        mma_16x8x32<kUnsigned>(sums[l][2 * j + 1], a[l], b.z, b.w);
      }
    }
    s_offset += 4, s_weight += 2 * kColumns;
  }
}

/// What conv_epilogue.h does, of sums that hold the bias: kChannels channels from `channel` on of
/// four pixels, which exist where `rows` is not negative.
template <Finish kFinish, bool kResidual, int kChannels>
__device__ __forceinline__ void finish_pixels(const ConvTail& tail, const float4* s_scale,
                                              const int (&rows)[4], int channel,
                                              const int32_t (&sums)[2][kChannels / 2][4]) {
  const int count = min(kChannels, tail.out_c - channel);
  if (count <= 0) return;
  const int width = min(kChannels, tail.store_bytes);
  uint4 residual[4];
  uint32_t words[4][4];
#pragma unroll
  for (int l = 0; l < 4; ++l) {
    if (!kResidual || rows[l] < 0) continue;
    residual[l] = load_bytes(tail.residual + offset_of(tail, rows[l], channel), count, width);
  }
#pragma unroll
  for (int i = 0; i < kChannels / 4; ++i) {
    const float4 scale = s_scale[i];
#pragma unroll
    for (int l = 0; l < 4; ++l) {
      const int first = l % 2 * 2;
      const int32_t(&low)[4] = sums[l / 2][2 * i], (&high)[4] = sums[l / 2][2 * i + 1];
      float v[4] = {scaled(low[first], 0, scale.x), scaled(low[first + 1], 0, scale.y),
                    scaled(high[first], 0, scale.z), scaled(high[first + 1], 0, scale.w)};
      if constexpr (kFinish == Finish::kFloat) {
        if (rows[l] < 0) continue;
        store_floats(tail, offset_of(tail, rows[l], channel + 4 * i), v, count - 4 * i);
      } else {
        if constexpr (kResidual) add_residual(tail, (&residual[l].x)[i], v);
        words[l][i] = pack_results<kFinish>(tail, v);
      }
    }
  }
  if constexpr (kFinish != Finish::kFloat) {
#pragma unroll
    for (int l = 0; l < 4; ++l) {
      if (rows[l] < 0) continue;
      store_bytes(static_cast<uint8_t*>(tail.y) + offset_of(tail, rows[l], channel), words[l],
                  count, width);
    }
  }
}

/// A tile's outputs from its patch, 32 pixels a warp at a time.
template <int kColumns, bool kUnsigned>
__device__ __forceinline__ void compute_tile(const StemMmaParams& p, const Stay<kColumns>& s,
                                             const Tile& tile, int column) {
  const ConvParams& c = p.conv;
  const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
  const int pairs = p.tile_h / 2 << p.log_across;
  for (int pair = static_cast<int>(threadIdx.x) / 32; pair < pairs; pair += kStemWarps) {
    const int line = pair >> p.log_across << 1,
              pixel = (pair - (line / 2 << p.log_across)) * kStemSide;
    const int y = tile.y + line, x = tile.x + pixel;
    if (y >= c.out_h || x >= c.out_w) continue;
    int32_t sums[2][kColumns / 8][4];
    multiply<kColumns, kUnsigned>(p, s,
                                  s.s_words + line * c.stride_h * p.patch.line_pixels +
                                      p.patch.shift + (pixel + g) * c.stride_w,
                                  sums);
    int rows[4];
#pragma unroll
    for (int l = 0; l < 4; ++l) {
      const bool exists = y + l / 2 < c.out_h && x + g + l % 2 * 8 < c.out_w;
      rows[l] = exists ? (tile.n * c.out_h + y + l / 2) * c.out_w + x + g + l % 2 * 8 : -1;
    }
    by_finish(c.tail, [&]<Finish kFinish, bool kResidual>() {
      finish_pixels<kFinish, kResidual, kColumns / 4>(c.tail, s.s_scale + t * (kColumns / 16), rows,
                                                      column + t * (kColumns / 4), sums);
    });
  }
}

__device__ __forceinline__ void stage(const StemMmaParams& p, const StemCopies& copies, int tile,
                                      float* s_stage) {
  const Tile at(p, tile);
  if (p.patch.piece == 4) {
    copy_patch<4>(p.conv, p.patch, copies, at.n, at.h(p.conv), at.w(p), s_stage);
  } else {
    copy_patch<1>(p.conv, p.patch, copies, at.n, at.h(p.conv), at.w(p), s_stage);
  }
}

#endif  // __CUDA_ARCH__ >= 800

template <int kColumns, bool kUnsigned>
__global__ void __launch_bounds__(kStemThreads, stem_blocks(kColumns))
    conv_stem_mma(const __grid_constant__ StemMmaParams p) {
#if __CUDA_ARCH__ >= 800
  extern __shared__ uint4 s_memory[];
  const Stay<kColumns> s(p, s_memory);
  const int column = static_cast<int>(blockIdx.y) * kColumns, step = static_cast<int>(gridDim.x);
  const bool is_float = p.patch.is_float != 0;
  wait_for_earlier_kernels();
  StemCopies copies;
  if (is_float) {
    copies = stem_copies(p.patch);
    stage(p, copies, static_cast<int>(blockIdx.x), s.s_stage);
  }
  fill_stay(p, s, column);
  commit_copies();
  for (int i = static_cast<int>(blockIdx.x); i < p.tiles; i += step) {
    const Tile tile(p, i);
    wait_copies<0>();
    __syncthreads();  // the image is staged, and nobody reads the words any more
    if (is_float) {
      quantize_patch(p.conv, p.patch, s.s_stage, reinterpret_cast<uint4*>(s.s_words));
    } else {
      gather_patch(p.conv, p.patch, tile.n, tile.h(p.conv), tile.w(p), s.s_words);
    }
    __syncthreads();  // the words are there, and nobody reads the staged image any more
    if (is_float && i + step < p.tiles) {
      stage(p, copies, i + step, s.s_stage);
      commit_copies();
    }
    compute_tile<kColumns, kUnsigned>(p, s, tile, column);
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

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
            const ConvOperands& operands, Stream stream) {
  const StemMmaParams params = stem_params(p, device, operands);
  const bool is_unsigned = (p.x_type == ConvType::kFloat ? p.x_stored : p.x_type) == ConvType::kU8;
  const int32_t columns = stem_columns(p);
  const auto bytes = static_cast<int32_t>(stem_shared_bytes(p, params.patch));
  const auto function = columns == 64
                            ? (is_unsigned ? conv_stem_mma<64, true> : conv_stem_mma<64, false>)
                            : (is_unsigned ? conv_stem_mma<32, true> : conv_stem_mma<32, false>);
  const int32_t groups = (p.out_c + columns - 1) / columns;
  const int32_t resident =
      std::min(stem_blocks(columns), (device.shared_bytes + 1024) / (bytes + 1024));
  const int32_t most = std::max(1, device.multiprocessors * resident / groups);
  const dim3 grid(static_cast<unsigned>(std::min(params.tiles, most)),
                  static_cast<unsigned>(groups));
  start_kernel(function, {grid, kStemThreads, bytes, stream}, params);
  check_launch(kernel);
}

}  // namespace

extern const ConvKernel kConvStemMma;
const ConvKernel kConvStemMma{"cuda.stem.mma",   80,        false,        0,      refuse,
                              stem_packed_bytes, stem_pack, no_workspace, launch, true};

}  // namespace octile::cuda
