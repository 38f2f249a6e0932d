// First layers where conv_stem_mma.cu refuses: one to four channels, large windows, often float
// images that are quantized on the way (sm_75 and later, mma.sync). The input under a block of 16 ×
// 16 outputs lies in shared memory as one word a pixel (its channels, quantized); an A fragment is
// such words, read in place:
//
//   16 bytes of K = 4 neighbouring taps of one kernel row; lane (g, t) wants the word of output
//   pixel g, tap t: s_patch[line][stride · g + 4q + t], conflict-free and without an im2col.
#include <cuda_runtime.h>

#include <cstring>
#include <type_traits>

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/conv_stem_quantize.h"
#include "kernels/cuda/device/copy.h"
#include "kernels/cuda/device/mma.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/launch.h"

namespace octile::cuda {
namespace {

constexpr int kThreads = 256, kSide = 16;  // outputs of a block: kSide × kSide, 64 channels
constexpr int kLinesOfWarp = 2;

struct StemParams {
  ConvParams conv;
  int32_t patch_h = 0, patch_w = 0;
  int32_t quads = 1;  // of taps, a kernel row
  int32_t steps = 1;  // of 32 bytes of K
  int32_t tiles_w = 1, tiles_h = 1;
  StemQuantizer quantizer;  // float x
  int32_t quick = 0;        // the quantizer takes the problem; else divide
  float x_scale = 1.0f;
  int32_t x_zero_point = 0, x_q_lo = 0, x_q_hi = 0, x_planar = 0;
  FastDivide patch_line;
};

__device__ __forceinline__ uint32_t quantize(const StemParams& p, float x) {
  const uint32_t q =
      p.quick != 0
          ? p.quantizer.bits(x) + static_cast<uint32_t>(p.x_zero_point)
          : static_cast<uint32_t>(quantize_value(x, p.x_scale, p.x_zero_point, p.x_q_lo, p.x_q_hi));
  return q & 255;
}

/// Four pixels of the patch a lane at a time, so that their loads are under way together.
constexpr int kBatch = 4;

template <bool kFloatX>
__device__ __forceinline__ void fill_patch(const StemParams& p, int n, int h0, int w0,
                                           uint32_t* s_patch) {
  const ConvParams& c = p.conv;
  using Value = std::conditional_t<kFloatX, float, uint8_t>;
  const int pixels = p.patch_h * p.patch_w, plane = c.in_h * c.in_w;
  const int pixel_step = p.x_planar != 0 ? 1 : c.in_c, channel_step = p.x_planar != 0 ? plane : 1;
  const Value* image =
      reinterpret_cast<const Value*>(c.x) + static_cast<int64_t>(n) * plane * c.in_c;
  const uint32_t border = *reinterpret_cast<const uint32_t*>(c.border);
  for (int first = static_cast<int>(threadIdx.x); first < pixels; first += kBatch * kThreads) {
    Value values[kBatch][4] = {};
    bool in_image[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      uint32_t line, at;
      p.patch_line.split(static_cast<uint32_t>(first + i * kThreads), line, at);
      const int h = h0 + static_cast<int>(line), w = w0 + static_cast<int>(at);
      in_image[i] = static_cast<unsigned>(h) < static_cast<unsigned>(c.in_h) &&
                    static_cast<unsigned>(w) < static_cast<unsigned>(c.in_w);
      if (!in_image[i]) continue;
      const Value* source = image + (h * c.in_w + w) * pixel_step;
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if (k < c.in_c) values[i][k] = source[k * channel_step];
      }
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      if (first + i * kThreads >= pixels) break;
      uint32_t word = 0;
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if (k >= c.in_c) break;
        if constexpr (kFloatX) {
          word |= quantize(p, values[i][k]) << (8 * k);
        } else {
          word |= static_cast<uint32_t>(values[i][k]) << (8 * k);
        }
      }
      s_patch[first + i * kThreads] = in_image[i] ? word : border;
    }
  }
}

template <bool kFloatX, bool kUnsigned>
__global__ void __launch_bounds__(kThreads) conv_stem(const __grid_constant__ StemParams p) {
  extern __shared__ __align__(16) uint32_t s_words[];
  const ConvParams& c = p.conv;
  uint2* s_weights = reinterpret_cast<uint2*>(s_words);  // (steps, 8, 32)
  uint32_t* s_patch = s_words + p.steps * 512;           // (patch_h, patch_w)
  const auto tile = static_cast<int>(blockIdx.x);
  const int n = tile / (p.tiles_w * p.tiles_h), within = tile % (p.tiles_w * p.tiles_h);
  const int y0 = within / p.tiles_w * kSide, x0 = within % p.tiles_w * kSide;
  const int column = static_cast<int>(blockIdx.y) * 64;

  const auto* g_weights =
      reinterpret_cast<const uint4*>(c.weights) + static_cast<int64_t>(column) * c.k_bytes / 16;
  for (int i = static_cast<int>(threadIdx.x); i < p.steps * 128; i += kThreads) {
    copy_async<16>(reinterpret_cast<uint4*>(s_weights) + i, g_weights + i);
  }
  commit_copies();
  wait_for_earlier_kernels();
  fill_patch<kFloatX>(p, n, y0 * c.stride_h - c.pad_top, x0 * c.stride_w - c.pad_left, s_patch);
  wait_copies<0>();
  __syncthreads();

  const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
  const int first_line = static_cast<int>(threadIdx.x) / 32 * kLinesOfWarp;  // of the tile
  int32_t sums[kLinesOfWarp][8][4] = {};
  for (int step = 0; step < p.steps; ++step) {
    uint32_t a[kLinesOfWarp][4];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int chunk = 2 * step + half;
      const int tap_h = min(chunk / p.quads, c.kernel_h - 1);  // behind the last: weights are 0
      const int tap_w = chunk % p.quads * 4 + t;
#pragma unroll
      for (int l = 0; l < kLinesOfWarp; ++l) {
        const uint32_t* s_line =
            s_patch + ((first_line + l) * c.stride_h + tap_h) * p.patch_w + tap_w;
        a[l][2 * half] = s_line[g * c.stride_w];
        a[l][2 * half + 1] = s_line[(g + 8) * c.stride_w];
      }
    }
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const uint2 b = s_weights[(step * 8 + j) * 32 + lane];
#pragma unroll
      for (int l = 0; l < kLinesOfWarp; ++l) mma_16x8x32<kUnsigned>(sums[l][j], a[l], b.x, b.y);
    }
  }
  by_finish(c.tail, [&]<Finish kFinish, bool kResidual>() {
#pragma unroll
    for (int l = 0; l < kLinesOfWarp; ++l) {
      const int y = y0 + first_line + l;
      if (y >= c.out_h) continue;
      const int line = (n * c.out_h + y) * c.out_w;
      finish_lines<kFinish, kResidual, 2, 16>(
          c.tail, line + x0 + g, 8, line + c.out_w, column + 16 * t,
          [&](int half, int i) { return sums[l][i / 2][2 * half + i % 2]; });
    }
  });
}

// ---- the host side ------------------------------------------------------------------------------

int32_t quads_of(const ConvProblem& p) { return (p.kernel_w + 3) / 4; }
int32_t steps_of(const ConvProblem& p) { return (p.kernel_h * quads_of(p) + 1) / 2; }
int32_t patch_h(const ConvProblem& p) { return (kSide - 1) * p.stride_h + p.kernel_h; }
int32_t patch_w(const ConvProblem& p) { return (kSide - 1) * p.stride_w + 4 * quads_of(p); }
int32_t shared_bytes(const ConvProblem& p) {
  return steps_of(p) * 2048 + patch_h(p) * patch_w(p) * 4;
}

/// [column / 64][step][8 columns][lane][2] words, as B fragments want them.
PackedLayout layout_of(const ConvProblem& p) {
  return {(p.out_c + 63) / 64 * 64, int64_t{steps_of(p)} * 32};
}

std::string refuse(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  if (auto reason = refuse_common(kernel, p, device); !reason.empty()) return reason;
  if (p.in_c > 4) return "takes at most four channels";
  if (p.groups != 1) return "takes one group";
  if (p.dilation_h != 1 || p.dilation_w != 1) return "no dilation";
  if (p.kernel_h * p.kernel_w == 1) return "a window of one tap has other rows";
  if (shared_bytes(p) > device.shared_bytes) return "the window is too large";
  return "";
}

size_t packed_bytes(const ConvKernel&, const ConvProblem& p) { return layout_of(p).bytes(); }

void pack(const ConvKernel&, const ConvProblem& p, const ConvWeights& weights, uint8_t* packed) {
  const PackedLayout layout = layout_of(p);
  uint8_t* target = begin_packing(p, weights, layout, packed);
  for (int column = 0; column < layout.columns; ++column) {
    const int channel = channel_of_column(column);
    if (channel >= p.out_c) continue;
    for (int tap = 0; tap < p.kernel_h * p.kernel_w; ++tap) {
      const int tap_w = tap % p.kernel_w, chunk = tap / p.kernel_w * quads_of(p) + tap_w / 4;
      const int lane = column % 8 * 4 + tap_w % 4;
      const int64_t word =
          (((int64_t{column / 64} * steps_of(p) + chunk / 2) * 8 + column % 64 / 8) * 32 + lane) *
              2 +
          chunk % 2;
      std::memcpy(target + word * 4,
                  weights.weights + (int64_t{channel} * p.kernel_h * p.kernel_w + tap) * p.in_c,
                  static_cast<size_t>(p.in_c));
    }
  }
}

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice&,
            const ConvOperands& operands, Stream stream) {
  StemParams params{.conv = conv_params(p, operands, layout_of(p))};
  params.patch_h = patch_h(p), params.patch_w = patch_w(p);
  params.quads = quads_of(p), params.steps = steps_of(p);
  params.tiles_w = (p.out_w + kSide - 1) / kSide, params.tiles_h = (p.out_h + kSide - 1) / kSide;
  params.quantizer = StemQuantizer(p), params.quick = StemQuantizer::takes(p);
  params.x_scale = p.x_scale, params.x_zero_point = p.x_zero_point;
  params.x_q_lo = p.x_q_lo, params.x_q_hi = p.x_q_hi, params.x_planar = p.x_planar;
  params.patch_line = FastDivide(static_cast<uint32_t>(params.patch_w));
  const bool is_float = p.x_type == ConvType::kFloat;
  const bool is_unsigned = (is_float ? p.x_stored : p.x_type) == ConvType::kU8;
  const auto function = is_float ? (is_unsigned ? conv_stem<true, true> : conv_stem<true, false>)
                                 : (is_unsigned ? conv_stem<false, true> : conv_stem<false, false>);
  const dim3 grid(static_cast<unsigned>(p.batch * params.tiles_w * params.tiles_h),
                  static_cast<unsigned>((p.out_c + 63) / 64));
  start_kernel(function, {grid, kThreads, shared_bytes(p), stream}, params);
  check_launch(kernel);
}

}  // namespace

extern const ConvKernel kConvStem;
const ConvKernel kConvStem{"cuda.stem",  75,   false,        0,      refuse,
                           packed_bytes, pack, no_workspace, launch, true};

}  // namespace octile::cuda
