// Any convolution, one output a lane, by dp4a on four channels at a time (sm_61 and later): groups,
// dilations, odd channels, float inputs. What no other row takes; not about speed.
#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/device/dot4.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/launch.h"

namespace octile::cuda {
namespace {

constexpr int kThreads = 128;

struct DirectParams {
  ConvParams conv;
  int32_t group_in = 1, group_out = 1, run_words = 1;
  int32_t aligned = 0;   // whole words of x
  float x_scale = 1.0f;  // float x
  int32_t x_zero_point = 0, x_q_lo = 0, x_q_hi = 0, x_planar = 0;
};

/// The byte of channel `c` of pixel (h, w), quantized if x is float.
template <ConvType kType>
__device__ __forceinline__ uint32_t byte_of(const DirectParams& p, int64_t n, int h, int w, int c) {
  const ConvParams& k = p.conv;
  const int64_t index = ((n * k.in_h + h) * k.in_w + w) * k.in_c + c;
  if constexpr (kType == ConvType::kFloat) {
    const int64_t planar = ((n * k.in_c + c) * k.in_h + h) * k.in_w + w;
    const float v = reinterpret_cast<const float*>(k.x)[p.x_planar != 0 ? planar : index];
    return quantize_value(v, p.x_scale, p.x_zero_point, p.x_q_lo, p.x_q_hi) & 255;
  } else {
    return k.x[index];
  }
}

template <ConvType kType, bool kUnsigned>
__global__ void __launch_bounds__(kThreads) conv_direct(const DirectParams p) {
  wait_for_earlier_kernels();
  const ConvParams& k = p.conv;
  const int m = static_cast<int>(blockIdx.y * kThreads + threadIdx.x);
  if (m >= k.tail.out_c) return;
  const int group = m / p.group_out, first = group * p.group_in;
  const auto* g_weights = reinterpret_cast<const uint32_t*>(k.weights) + m;
  for (int row = static_cast<int>(blockIdx.x); row < k.tail.rows;
       row += static_cast<int>(gridDim.x)) {
    uint32_t n, pixel, y, x;
    k.image.split(static_cast<uint32_t>(row), n, pixel);
    k.line.split(pixel, y, x);
    int32_t sum = 0;
    const uint32_t* weight = g_weights;
    for (int tap = 0; tap < k.kernel_h * k.kernel_w; ++tap) {
      const int h = static_cast<int>(y) * k.stride_h - k.pad_top + tap / k.kernel_w * k.dilation_h;
      const int w = static_cast<int>(x) * k.stride_w - k.pad_left + tap % k.kernel_w * k.dilation_w;
      const bool in_image = static_cast<unsigned>(h) < static_cast<unsigned>(k.in_h) &&
                            static_cast<unsigned>(w) < static_cast<unsigned>(k.in_w);
      for (int word = 0; word < p.run_words; ++word, weight += k.columns) {
        uint32_t values = *reinterpret_cast<const uint32_t*>(k.border);
        if (in_image && kType != ConvType::kFloat && p.aligned != 0) {
          const int64_t index = ((static_cast<int64_t>(n) * k.in_h + h) * k.in_w + w) * k.in_c;
          values = *reinterpret_cast<const uint32_t*>(k.x + index + first + 4 * word);
        } else if (in_image) {
          values = 0;
          for (int b = 0; b < min(4, p.group_in - 4 * word); ++b) {
            values |= byte_of<kType>(p, n, h, w, first + 4 * word + b) << (8 * b);
          }
        }
        sum = dot4<kUnsigned>(values, *weight, sum);
      }
    }
    finish_one(k.tail, sum, row, m);
  }
}

// ---- the host side ------------------------------------------------------------------------------

int32_t run_words(const ConvProblem& p) { return (p.in_c / p.groups + 3) / 4; }

/// [tap][word][column] words.
PackedLayout layout_of(const ConvProblem& p) {
  return {(p.out_c + 31) / 32 * 32, int64_t{p.kernel_h} * p.kernel_w * run_words(p) * 4};
}

std::string refuse(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  return refuse_common(kernel, p, device);
}

size_t packed_bytes(const ConvKernel&, const ConvProblem& p) { return layout_of(p).bytes(); }

void pack(const ConvKernel&, const ConvProblem& p, const ConvWeights& weights, uint8_t* packed) {
  const PackedLayout layout = layout_of(p);
  uint8_t* target = begin_packing(p, weights, layout, packed);
  const int taps = p.kernel_h * p.kernel_w, group_in = p.in_c / p.groups, words = run_words(p);
  for (int m = 0; m < p.out_c; ++m) {
    for (int tap = 0; tap < taps; ++tap) {
      for (int c = 0; c < group_in; ++c) {
        const int64_t word = (static_cast<int64_t>(tap) * words + c / 4) * layout.columns + m;
        target[word * 4 + c % 4] = static_cast<uint8_t>(
            weights.weights[(static_cast<int64_t>(m) * taps + tap) * group_in + c]);
      }
    }
  }
}

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
            const ConvOperands& operands, Stream stream) {
  DirectParams params{.conv = conv_params(p, operands, layout_of(p))};
  params.group_in = p.in_c / p.groups, params.group_out = p.out_c / p.groups;
  params.run_words = run_words(p);
  params.aligned = params.group_in % 4 == 0;
  params.x_scale = p.x_scale, params.x_zero_point = p.x_zero_point;
  params.x_q_lo = p.x_q_lo, params.x_q_hi = p.x_q_hi, params.x_planar = p.x_planar;
  const ConvType stored = p.x_type == ConvType::kFloat ? p.x_stored : p.x_type;
  const bool is_unsigned = stored == ConvType::kU8;
  const auto function =
      p.x_type == ConvType::kFloat
          ? (is_unsigned ? conv_direct<ConvType::kFloat, true>
                         : conv_direct<ConvType::kFloat, false>)
          : (is_unsigned ? conv_direct<ConvType::kU8, true> : conv_direct<ConvType::kS8, false>);
  const int rows = params.conv.tail.rows;
  const dim3 grid(static_cast<unsigned>(std::min(rows, device.multiprocessors * 64)),
                  static_cast<unsigned>((p.out_c + kThreads - 1) / kThreads));
  start_kernel(function, {grid, kThreads, 0, stream}, params);
  check_launch(kernel);
}

}  // namespace

extern const ConvKernel kConvDirect;
const ConvKernel kConvDirect{"cuda.direct", 61,   false,        0,     refuse,
                             packed_bytes,  pack, no_workspace, launch};

}  // namespace octile::cuda
