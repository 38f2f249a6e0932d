// Depthwise convolution, 3×3 and 5×5, by dp4a (sm_61 and later): a lane makes four neighbouring
// channels of a few output pixels. Words of x (four channels of one pixel) are transposed to words
// of one channel (four pixels of a line), so that one dot product does up to four taps.
//
//   x of a line:  w0 w1 w2 w3  (pixel, 4 channels)   →   t0 t1 t2 t3  (channel, 4 pixels)
//   output column 0 wants pixels 0..2 of a 3×3, column 1 pixels 1..3: the same words, weights
//   moved.
#include <cuda_runtime.h>

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/device/dot4.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/launch.h"

namespace octile::cuda {
namespace {

constexpr int kThreads = 128;

template <int kKernel_, int kStride_>
struct Shape {
  static constexpr int kKernel = kKernel_, kStride = kStride_;
  static constexpr int kColumns = kKernel == 3 && kStride == 1 ? 2 : 1;  // outputs of a lane
  static constexpr int kRows = 4;
  static constexpr int kWidth = (kColumns - 1) * kStride + kKernel;  // pixels of x a line
  static constexpr int kWords = (kWidth + 3) / 4;                    // of one channel
  static constexpr int kLines = (kRows - 1) * kStride + kKernel;
  static constexpr int kWeights = kKernel * kWords * kColumns;  // uint4 of a lane
};

struct DepthwiseParams {
  ConvParams conv;
  FastDivide quads, columns, strips;  // channels in fours; pixels of a line; lines
  int32_t lanes = 0;
};

/// Four words (pixel, 4 channels) to four words (channel, 4 pixels).
__device__ __forceinline__ void transpose(const uint32_t (&w)[4], uint32_t (&t)[4]) {
  const uint32_t a = __byte_perm(w[0], w[1], 0x5140), b = __byte_perm(w[2], w[3], 0x5140);
  const uint32_t c = __byte_perm(w[0], w[1], 0x7362), d = __byte_perm(w[2], w[3], 0x7362);
  t[0] = __byte_perm(a, b, 0x5410), t[1] = __byte_perm(a, b, 0x7632);
  t[2] = __byte_perm(c, d, 0x5410), t[3] = __byte_perm(c, d, 0x7632);
}

template <Finish kFinish, bool kResidual>
__device__ __forceinline__ void finish_quad(const ConvTail& tail, const int32_t (&sums)[4],
                                            const float4& scale, int64_t offset) {
  float v[4] = {scaled(sums[0], 0, scale.x), scaled(sums[1], 0, scale.y),
                scaled(sums[2], 0, scale.z), scaled(sums[3], 0, scale.w)};
  if constexpr (kFinish == Finish::kFloat) {
    store_floats(tail, offset, v, 4);
  } else {
    if constexpr (kResidual) {
      add_residual(tail, *reinterpret_cast<const uint32_t*>(tail.residual + offset), v);
    }
    *reinterpret_cast<uint32_t*>(static_cast<uint8_t*>(tail.y) + offset) =
        pack_results<kFinish>(tail, v);
  }
}

template <class S, bool kUnsigned>
__global__ void __launch_bounds__(kThreads) conv_depthwise(const DepthwiseParams p) {
  wait_for_earlier_kernels();
  const auto index = static_cast<int32_t>(blockIdx.x * kThreads + threadIdx.x);
  if (index >= p.lanes) return;
  const ConvParams& c = p.conv;
  uint32_t rest, quad, column, strip, n;
  p.quads.split(static_cast<uint32_t>(index), rest, quad);
  p.columns.split(rest, rest, column);
  p.strips.split(rest, n, strip);
  const int channel = static_cast<int>(quad) * 4;
  const int y0 = static_cast<int>(strip) * S::kRows, x0 = static_cast<int>(column) * S::kColumns;

  uint4 weights[S::kKernel][S::kWords][S::kColumns];  // four channels each
  const auto* g_weights = reinterpret_cast<const uint4*>(c.weights) + quad * S::kWeights;
#pragma unroll
  for (int i = 0; i < S::kWeights; ++i) (&weights[0][0][0])[i] = __ldg(g_weights + i);
  const int4 bias = __ldg(reinterpret_cast<const int4*>(c.tail.bias + channel));
  int32_t sums[S::kRows][S::kColumns][4];
#pragma unroll
  for (int r = 0; r < S::kRows * S::kColumns; ++r) {
    auto& s = sums[r / S::kColumns][r % S::kColumns];
    s[0] = bias.x, s[1] = bias.y, s[2] = bias.z, s[3] = bias.w;
  }

  const uint8_t* image = c.x + static_cast<int64_t>(n) * c.in_h * c.in_w * c.in_c + channel;
  const uint32_t border = *reinterpret_cast<const uint32_t*>(c.border);
  const int h0 = y0 * S::kStride - c.pad_top, w0 = x0 * S::kStride - c.pad_left;
#pragma unroll
  for (int line = 0; line < S::kLines; ++line) {
    const int h = h0 + line;
    const bool in_image = static_cast<unsigned>(h) < static_cast<unsigned>(c.in_h);
    uint32_t words[S::kWords][4], channels[S::kWords][4];
#pragma unroll
    for (int i = 0; i < 4 * S::kWords; ++i) {
      uint32_t word = border;
      if (i < S::kWidth && in_image &&
          static_cast<unsigned>(w0 + i) < static_cast<unsigned>(c.in_w)) {
        word = *reinterpret_cast<const uint32_t*>(image + (h * c.in_w + w0 + i) * c.in_c);
      }
      words[i / 4][i % 4] = word;
    }
#pragma unroll
    for (int g = 0; g < S::kWords; ++g) transpose(words[g], channels[g]);
#pragma unroll
    for (int r = 0; r < S::kRows; ++r) {
      const int tap = line - r * S::kStride;
      if (tap < 0 || tap >= S::kKernel) continue;
#pragma unroll
      for (int g = 0; g < S::kWords; ++g) {
#pragma unroll
        for (int x = 0; x < S::kColumns; ++x) {
          const uint4& w = weights[tap][g][x];
          auto& s = sums[r][x];
          s[0] = dot4<kUnsigned>(channels[g][0], w.x, s[0]);
          s[1] = dot4<kUnsigned>(channels[g][1], w.y, s[1]);
          s[2] = dot4<kUnsigned>(channels[g][2], w.z, s[2]);
          s[3] = dot4<kUnsigned>(channels[g][3], w.w, s[3]);
        }
      }
    }
  }

  const float4 scale = __ldg(reinterpret_cast<const float4*>(c.tail.multiplier + channel));
  const int64_t first = (static_cast<int64_t>(n) * c.out_h + y0) * c.out_w + x0;
  by_finish(c.tail, [&]<Finish kFinish, bool kResidual>() {
#pragma unroll
    for (int r = 0; r < S::kRows; ++r) {
#pragma unroll
      for (int x = 0; x < S::kColumns; ++x) {
        if (y0 + r >= c.out_h || x0 + x >= c.out_w) continue;
        finish_quad<kFinish, kResidual>(c.tail, sums[r][x], scale,
                                        (first + r * c.out_w + x) * c.in_c + channel);
      }
    }
  });
}

// ---- the host side ------------------------------------------------------------------------------

template <class Body>
auto by_shape(const ConvProblem& p, Body&& body) {
  if (p.kernel_h == 3) return p.stride_h == 1 ? body(Shape<3, 1>()) : body(Shape<3, 2>());
  return p.stride_h == 1 ? body(Shape<5, 1>()) : body(Shape<5, 2>());
}

/// Words of one channel's weights take the place of k_bytes: four a quad, kWeights times.
PackedLayout layout_of(const ConvProblem& p) {
  const int64_t bytes = by_shape(p, [](auto shape) { return int64_t{decltype(shape)::kWeights}; });
  return {(p.out_c + 3) / 4 * 4, bytes * 4};
}

std::string refuse(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  if (auto reason = refuse_common(kernel, p, device); !reason.empty()) return reason;
  if (p.x_type == ConvType::kFloat) return "reads 8-bit inputs alone";
  if (p.groups != p.in_c || p.in_c != p.out_c) return "takes depthwise convolutions alone";
  if (p.in_c % 4 != 0) return "wants channels in fours";
  if (p.kernel_h != p.kernel_w || (p.kernel_h != 3 && p.kernel_h != 5)) return "3x3 or 5x5 alone";
  if (p.stride_h != p.stride_w || p.stride_h > 2) return "strides 1 or 2 alone";
  if (p.dilation_h != 1 || p.dilation_w != 1) return "no dilation";
  return "";
}

size_t packed_bytes(const ConvKernel&, const ConvProblem& p) { return layout_of(p).bytes(); }

template <class S>
void pack_shape(const ConvProblem& p, const int8_t* weights, uint8_t* target) {
  for (int channel = 0; channel < p.out_c; ++channel) {
    for (int i = 0; i < S::kWeights; ++i) {
      const int x = i % S::kColumns, g = i / S::kColumns % S::kWords;
      const int line = i / (S::kColumns * S::kWords);
      uint8_t* word = target + ((channel / 4 * S::kWeights + i) * 4 + channel % 4) * 4;
      for (int b = 0; b < 4; ++b) {
        const int tap = 4 * g + b - x * S::kStride;
        if (tap < 0 || tap >= S::kKernel) continue;
        word[b] = static_cast<uint8_t>(weights[(channel * S::kKernel + line) * S::kKernel + tap]);
      }
    }
  }
}

void pack(const ConvKernel&, const ConvProblem& p, const ConvWeights& weights, uint8_t* packed) {
  const PackedLayout layout = layout_of(p);
  uint8_t* target = begin_packing(p, weights, layout, packed);
  by_shape(p, [&](auto shape) { pack_shape<decltype(shape)>(p, weights.weights, target); });
}

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice&,
            const ConvOperands& operands, Stream stream) {
  by_shape(p, [&](auto shape) {
    using S = decltype(shape);
    DepthwiseParams params{.conv = conv_params(p, operands, layout_of(p))};
    const int columns = (p.out_w + S::kColumns - 1) / S::kColumns;
    const int strips = (p.out_h + S::kRows - 1) / S::kRows;
    params.quads = FastDivide(static_cast<uint32_t>(p.in_c / 4));
    params.columns = FastDivide(static_cast<uint32_t>(columns));
    params.strips = FastDivide(static_cast<uint32_t>(strips));
    params.lanes = static_cast<int32_t>(p.batch * strips * columns * (p.in_c / 4));
    const auto grid = static_cast<unsigned>((params.lanes + kThreads - 1) / kThreads);
    const auto function =
        p.x_type == ConvType::kU8 ? conv_depthwise<S, true> : conv_depthwise<S, false>;
    start_kernel(function, {grid, kThreads, 0, stream}, params);
    check_launch(kernel);
  });
}

}  // namespace

extern const ConvKernel kConvDepthwise;
const ConvKernel kConvDepthwise{"cuda.depthwise", 61,   false,        0,     refuse,
                                packed_bytes,     pack, no_workspace, launch};

}  // namespace octile::cuda
