// Convolution for sm_90a whose windows overlap: what a tile's windows see is copied into shared
// memory once, as whole lines, and the kernel's taps read it from there; through im2col every tap
// is a copy of its own, and the copy engine makes no more than some 17 bytes a cycle of those. The
// weights of a column tile stay in shared memory (as in conv_wgmma_kept.cu).
//
// A tile: 256 output pixels, one after the other through lines and images, 64 for each of the four
// warpgroups. Its patch: the lines of input between the first pixel's window and the last's, where
// an image has its padding above and below as lines of its own (`image_lines` in all); the copy
// engine fills padding with zeros. Lanes read their rows by ldmatrix, whose addresses are any, and
// wgmma takes A from registers. Two patches: one is filled while the other is read. Start reading
// at conv_wgmma_patch().
#include <cuda.h>
#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_kept_columns.h"
#include "kernels/cuda/conv_wgmma_problem.h"
#include "kernels/cuda/device/mma.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/device/tma.h"
#include "kernels/cuda/device/wgmma.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/tensor_map.h"

namespace octile::cuda {
namespace {

constexpr int kThreads = 512, kWarps = kThreads / 32, kPixels = 256, kColumns = 64;

struct PatchParams {
  ConvParams conv;
  int32_t column_tiles = 1, tiles = 1;
  int32_t width = 1;        // of a line, in pixels
  int32_t pitch = 1;        // from line to line, in bytes
  int32_t lines = 1;        // that a patch has room for
  int32_t image_lines = 1;  // of an image with its padding
  FastDivide by_image_lines;
  int32_t fills_borders = 0;  // the zero point is not 0
  FastDivide by_vectors;      // 16 bytes each, of a line
};

/// Bytes from one step of K to the next in the packed weights.
template <int kChannels>
constexpr int kTapBytes = kChannels < 64 ? 64 : kChannels;

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

struct Pixel {
  int line, x;  // of the window's first tap: in all images' lines; in the padded line
  __device__ __forceinline__ Pixel(const PatchParams& p, int row) {
    const RowPixel at(p.conv, row);
    line = static_cast<int>(at.image) * p.image_lines + static_cast<int>(at.y) * p.conv.stride_h;
    x = static_cast<int>(at.x) * p.conv.stride_w;
  }
};

/// The row that a warp multiplies as its i-th (of 16), from its first one on: where y is pooled, a
/// lane's two and those of its neighbour are a window.
__device__ __forceinline__ int row_within(const PatchParams& p, int i) {
  return p.conv.pools == 0 ? i : i % 8 / 2 * 4 + i / 8 * 2 + i % 2;
}

/// The lines of one tile's patch.
struct PatchLines {
  int first, count;
  __device__ __forceinline__ PatchLines(const PatchParams& p, int tile) {
    first = Pixel(p, tile * kPixels).line;
    const int last = Pixel(p, min(tile * kPixels + kPixels, p.conv.tail.rows) - 1).line;
    count = last - first + (p.conv.kernel_h - 1) * p.conv.dilation_h + 1;
  }
};

/// Copies a patch, by one warp.
template <int kChannels>
__device__ __forceinline__ void copy_patch(const PatchParams& p, const CUtensorMap* map, int tile,
                                           uint8_t* s_patch, uint64_t* s_full) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const PatchLines lines(p, tile);
  if (lane == 0) barrier_expect(s_full, static_cast<uint32_t>(lines.count * p.width * kChannels));
  __syncwarp();
  for (int i = lane; i < lines.count; i += 32) {
    uint32_t image, y;
    p.by_image_lines.split(static_cast<uint32_t>(lines.first + i), image, y);
    copy_image_box(s_patch + i * p.pitch, map, 0, -p.conv.pad_left,
                   static_cast<int>(y) - p.conv.pad_top, static_cast<int>(image), s_full);
  }
  __syncwarp();
}

/// What the copy engine does to addresses of lines of kChannels bytes.
template <int kChannels>
__device__ __forceinline__ uint32_t swizzled(uint32_t offset) {
  return offset ^ (offset >> 7 & (kChannels / 16 - 1)) << 4;
}

/// Overwrites a patch's padding with the zero point, by all threads; then __syncthreads().
template <int kChannels>
__device__ __forceinline__ void fill_borders(const PatchParams& p, int tile, uint8_t* s_patch) {
  const PatchLines lines(p, tile);
  const int vectors = p.width * kChannels / 16;
  const uint4 zero_points = __ldg(reinterpret_cast<const uint4*>(p.conv.border));
  for (int i = static_cast<int>(threadIdx.x); i < lines.count * vectors; i += kThreads) {
    uint32_t line, vector, image, y;
    p.by_vectors.split(static_cast<uint32_t>(i), line, vector);
    p.by_image_lines.split(static_cast<uint32_t>(lines.first) + line, image, y);
    const int at_y = static_cast<int>(y) - p.conv.pad_top;
    const int at_x = static_cast<int>(vector) / (kChannels / 16) - p.conv.pad_left;
    if (at_y >= 0 && at_y < p.conv.in_h && at_x >= 0 && at_x < p.conv.in_w) continue;
    const uint32_t offset = line * static_cast<uint32_t>(p.pitch) + vector * 16;
    *reinterpret_cast<uint4*>(s_patch + swizzled<kChannels>(offset)) = zero_points;
  }
  fence_for_engines();
}

/// The taps of a kernel, one after the other, as distances within a patch.
struct Taps {
  int row = 0, column = 0, kw = 0;  // in bytes; of the kernel's row
  template <int kChannels>
  __device__ __forceinline__ uint32_t next(const PatchParams& p) {
    const auto distance = static_cast<uint32_t>(row + column);
    column += p.conv.dilation_w * kChannels;
    if (++kw == p.conv.kernel_w) kw = 0, column = 0, row += p.conv.dilation_h * p.pitch;
    return distance;
  }
};

/// Taps that are multiplied at once: a chain of read, multiply and wait takes as long for one.
template <int kChannels>
constexpr int kTapsAtOnce = kChannels == 32 ? 5 : 1;

/// sums = windows · weights of a warpgroup's 64 pixels. `offset`: the lane's place in the
/// patch. The pixels of some taps are read while those before are multiplied; behind the last tap
/// they are zeros.
template <int kChannels, bool kUnsigned>
__device__ __forceinline__ void multiply_windows(int32_t (&sums)[kColumns / 2],
                                                 const PatchParams& p, uint32_t s_patch,
                                                 uint32_t offset, const uint8_t* s_weights) {
  constexpr int kSteps = kChannels / 32, kTap = kTapBytes<kChannels>;
  constexpr int kTaps = kTapsAtOnce<kChannels>, kAll = kTaps * kSteps;
  const int taps = p.conv.kernel_h * p.conv.kernel_w;
  uint32_t even[kAll][4], odd[kAll][4];
  Taps walk;
  uint32_t at = 0;
  const auto load = [&](uint32_t(&a)[kAll][4], int tap) {
#pragma unroll
    for (int i = 0; i < kAll; ++i) {
      if (i / kSteps > 0 && tap + i / kSteps >= taps) {
        a[i][0] = a[i][1] = a[i][2] = a[i][3] = 0;
        continue;
      }
      if (i % kSteps == 0) at = offset + walk.next<kChannels>(p);
      load_matrices(a[i], s_patch + swizzled<kChannels>(at + 32 * (i % kSteps)));
    }
  };
  const auto multiply = [&](const uint32_t(&a)[kAll][4], uint32_t(&next)[kAll][4], int tap) {
    wgmma_pin(sums);
    wgmma_fence();
#pragma unroll
    for (int i = 0; i < kAll; ++i) {
      const int which = kTaps > 1 ? min(tap + i / kSteps, taps - 1) : tap;
      const MatrixPlace b(s_weights + which * kColumns * kTap, kTap);
      wgmma<kUnsigned>(sums, a[i], b.at(32 * (i % kSteps)), tap | i);
    }
    wgmma_commit();
    if (tap + kTaps < taps) load(next, tap + kTaps);
    wgmma_wait<0>();  // the other warpgroups keep the tensor cores busy
    wgmma_pin(sums);
#pragma unroll
    for (int i = 0; i < kAll; ++i) wgmma_keep(a[i]);
  };
  load(even, 0);
  for (int tap = 0; tap < taps; tap += 2 * kTaps) {
    multiply(even, odd, tap);
    if (tap + kTaps < taps) multiply(odd, even, tap + kTaps);
  }
}

/// Finishes the largest sum of each window (what follows does not fall where sums rise) of the
/// warp's four, from row `window` of y on. A lane has two of its pixels in 16 channels, its
/// neighbour the others: each finishes eight channels.
template <Finish kFinish>
__device__ __forceinline__ void finish_pooled(const ConvTail& tail, int window, int column,
                                              const KeptColumns<kColumns>& s_columns,
                                              const int32_t (&sums)[kColumns / 2]) {
  const int lane = static_cast<int>(threadIdx.x) % 32, odd = lane / 4 % 2;
  int32_t largest[8];
#pragma unroll
  for (int c = 0; c < 8; ++c) {
    const int32_t* s = sums + c / 2 * 4 + c % 2;  // channel c + 8 is 16 further, a line 2
    const int32_t near = max(s[0], s[2]), far = max(s[16], s[18]);
    largest[c] = largest_with_neighbour(near, far, odd != 0);
  }
  const uint4 none[1] = {};
  finish_lines<kFinish, false, 1, 8, false>(
      tail, window + lane / 8, 8, tail.rows / 4, column + lane % 4 * 16 + odd * 8,
      QuadColumns(s_columns, lane % 4 + odd * 8), none, [&](int, int c) { return largest[c]; });
}

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

template <int kChannels, bool kUnsigned>
__global__ void __launch_bounds__(kThreads, 1)
    conv_wgmma_patch(const __grid_constant__ PatchParams p,
                     const __grid_constant__ CUtensorMap map_x,
                     const __grid_constant__ CUtensorMap map_w) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) uint8_t s_memory[];
  __shared__ uint64_t s_full[2], s_empty[2], s_kept;
  __shared__ KeptColumns<kColumns> s_columns;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int column = static_cast<int>(blockIdx.x) % p.column_tiles * kColumns;
  const int walker = static_cast<int>(blockIdx.x) / p.column_tiles;
  const int stride = static_cast<int>(gridDim.x) / p.column_tiles;
  const int taps = p.conv.kernel_h * p.conv.kernel_w;
  constexpr int kTap = kTapBytes<kChannels>;
  uint8_t* s_patches = s_memory + taps * kColumns * kTap;
  const ConvTail& tail = p.conv.tail;
  if (threadIdx.x == 0) {
    for (int i = 0; i < 2; ++i) barrier_init(s_full + i, 1), barrier_init(s_empty + i, kWarps);
    barrier_init(&s_kept, 1);
    barrier_init_done();
    barrier_expect(&s_kept, static_cast<uint32_t>(taps * kColumns * kTap));
    for (int tap = 0; tap < taps; ++tap) {
      copy_box(s_memory + tap * kColumns * kTap, &map_w, tap * kTap, column, &s_kept);
    }
  }
  s_columns.load(tail, column, p.conv.columns);
  wait_for_earlier_kernels();
  __syncthreads();
  if (warp == 0) copy_patch<kChannels>(p, &map_x, walker, s_patches, s_full);
  barrier_wait(&s_kept, 0);

  by_finish(tail, [&]<Finish kFinish, bool kResidual>() {
    int turn = 0;
    for (int tile = walker; tile < p.tiles; tile += stride, ++turn) {
      const int now = turn % 2, next = 1 - now;
      if (warp == 0 && tile + stride < p.tiles) {
        barrier_wait(s_empty + next, static_cast<uint32_t>((turn + 1) / 2 % 2 ^ 1));
        copy_patch<kChannels>(p, &map_x, tile + stride, s_patches + next * p.lines * p.pitch,
                              s_full + next);
      }
      const int first = tile * kPixels, row = first + warp * 16 + lane / 4;
      uint4 residual[2];
      if constexpr (kResidual) {
        load_residual<true>(tail, row, 8, tail.rows, column + 16 * (lane % 4), residual);
      }
      const Pixel pixel(p, min(first + warp * 16 + row_within(p, lane % 16), tail.rows - 1));
      const int line = pixel.line - Pixel(p, first).line;
      const auto offset =
          static_cast<uint32_t>(line * p.pitch + pixel.x * kChannels + lane / 16 * 16);
      barrier_wait(s_full + now, static_cast<uint32_t>(turn / 2 % 2));
      if (p.fills_borders != 0) {
        fill_borders<kChannels>(p, tile, s_patches + now * p.lines * p.pitch);
        __syncthreads();
      }
      int32_t sums[kColumns / 2];
      multiply_windows<kChannels, kUnsigned>(
          sums, p, shared_address(s_patches + now * p.lines * p.pitch), offset, s_memory);
      if (lane == 0) barrier_arrive(s_empty + now);
      if constexpr (kFinish != Finish::kFloat && !kResidual) {
        if (p.conv.pools != 0) {
          finish_pooled<kFinish>(tail, (first + warp * 16) / 4, column, s_columns, sums);
          continue;
        }
      }
      finish_lines<kFinish, kResidual, 2, 16, true>(
          tail, row, 8, tail.rows, column + 16 * (lane % 4), QuadColumns(s_columns, lane % 4),
          residual, [&](int l, int c) { return sums[c / 2 * 4 + 2 * l + c % 2]; });
    }
  });
#endif
}

// ---- the host side ------------------------------------------------------------------------------

/// How a patch lies.
struct Patch {
  int64_t width, pitch, lines, image_lines, weights;
  explicit Patch(const ConvProblem& p) {
    const int64_t below = int64_t{p.kernel_h - 1} * p.dilation_h;
    width = int64_t{p.out_w - 1} * p.stride_w + int64_t{p.kernel_w - 1} * p.dilation_w + 1;
    pitch = (width * p.in_c + 1023) / 1024 * 1024;
    image_lines = int64_t{p.out_h - 1} * p.stride_h + below + 1;
    // from the first pixel (or window) to the last: so many lines of them on, so many images on
    const int64_t side = p.pools ? 2 : 1, h = p.out_h / side, w = p.out_w / side;
    const int64_t steps = kPixels / (side * side) - 1, area = h * w;
    const int64_t on = (steps + w - 1) / w, images = (steps + area - 1) / area;
    const int64_t between = image_lines - h * side * p.stride_h;
    lines =
        (on * side + side - 1) * p.stride_h + images * std::max<int64_t>(between, 0) + below + 1;
    weights = int64_t{p.kernel_h} * p.kernel_w * kColumns * std::max(64, p.in_c);
  }
  int64_t shared_bytes() const { return weights + 2 * lines * pitch; }
};

std::string refuse(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  if (auto reason = refuse_wgmma(kernel, p, device, kColumns, true); !reason.empty()) return reason;
  if (p.in_c != 32 && p.in_c != 64 && p.in_c != 128) return "takes 32, 64 or 128 channels";
  if (p.out_c % 16 != 0) return "wants output channels in sixteens";
  if (p.kernel_h * p.kernel_w == 1) return "one tap sees nothing twice";
  const Patch patch(p);
  if (patch.width > 256) return "the lines are too long";
  if (patch.shared_bytes() + 2048 > device.shared_bytes) return "weights and lines are too large";
  if ((p.out_c + kColumns - 1) / kColumns > device.multiprocessors) {
    return "more column tiles than multiprocessors";
  }
  return "";
}

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
            const ConvOperands& operands, Stream stream) {
  const Patch patch(p);
  PatchParams params{.conv = conv_params(p, operands, wgmma_layout(p))};
  if (p.pools) params.conv.tail.store_bytes = 8;
  params.column_tiles = (p.out_c + kColumns - 1) / kColumns;
  params.tiles = (params.conv.tail.rows + kPixels - 1) / kPixels;
  params.width = static_cast<int32_t>(patch.width),
  params.pitch = static_cast<int32_t>(patch.pitch);
  params.lines = static_cast<int32_t>(patch.lines);
  params.image_lines = static_cast<int32_t>(patch.image_lines);
  params.by_image_lines = FastDivide(static_cast<uint32_t>(patch.image_lines));
  params.fills_borders = p.x_zero_point != 0;
  params.by_vectors = FastDivide(static_cast<uint32_t>(patch.width * p.in_c / 16));
  const CUtensorMap map_x = line_map(kernel, params.conv.x, p, params.width);
  const CUtensorMap map_w = matrix_map(kernel, params.conv.weights, params.conv.columns,
                                       params.conv.k_bytes, kColumns, wgmma_line_bytes(p));
  const int grid =
      std::min(params.tiles, device.multiprocessors / params.column_tiles) * params.column_tiles;
  const bool is_unsigned = p.x_type == ConvType::kU8;
  const auto function =
      p.in_c == 32   ? (is_unsigned ? conv_wgmma_patch<32, true> : conv_wgmma_patch<32, false>)
      : p.in_c == 64 ? (is_unsigned ? conv_wgmma_patch<64, true> : conv_wgmma_patch<64, false>)
                     : (is_unsigned ? conv_wgmma_patch<128, true> : conv_wgmma_patch<128, false>);
  const auto shared_bytes = static_cast<int>(patch.shared_bytes());
  start_kernel(function, {static_cast<unsigned>(grid), kThreads, shared_bytes, stream}, params,
               map_x, map_w);
  check_launch(kernel);
}

}  // namespace

extern const ConvKernel kConvWgmmaPatch;
const ConvKernel kConvWgmmaPatch = {
    "cuda.wgmma.patch", 90,           true,   0,     refuse, wgmma_packed_bytes,
    pack_wgmma,         no_workspace, launch, false, true};

}  // namespace octile::cuda
