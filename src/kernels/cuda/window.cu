// Convolutions one output a thread: what every other row is measured against, and what runs where
// none accepts (dynamic scales, odd groups, old chips). Bits: docs/arithmetic.md, "A weighted
// step". Neighbouring threads have neighbouring output channels: x is read once a warp, weights
// coalesced.
#include <cuda_runtime.h>

#include "arithmetic/quantize.h"
#include "kernels/cuda/device/convert.h"
#include "kernels/cuda/device/dot4.h"
#include "kernels/cuda/device/real.h"
#include "kernels/cuda/grid.h"

namespace octile::cuda {
namespace {

struct Place {
  int m, n, oh, ow;
  __device__ __forceinline__ Place(const Window2d& g, int64_t i) {
    int64_t rest = i / g.m;
    m = static_cast<int>(i - rest * g.m);
    const int64_t row = rest / g.out_w;
    ow = static_cast<int>(rest - row * g.out_w);
    n = static_cast<int>(row / g.out_h);
    oh = static_cast<int>(row - int64_t{n} * g.out_h);
  }
};

/// Input pixel of a tap, or −1 on the padding.
__device__ __forceinline__ int64_t pixel_of(const Window2d& g, const Place& at, int kh, int kw) {
  const int ih = at.oh * g.stride_h - g.pad_top + kh * g.dilation_h;
  const int iw = at.ow * g.stride_w - g.pad_left + kw * g.dilation_w;
  if (ih < 0 || ih >= g.h || iw < 0 || iw >= g.w) return -1;
  return (int64_t{at.n} * g.h + ih) * g.w + iw;
}

/// Σ x·w over the window; the padding contributes `zero`. Wraps.
template <bool kUnsigned, bool kWords>
__device__ int32_t window_sum(const Window2d& g, const Place& at, const uint32_t* words,
                              const uint8_t* x, int32_t zero) {
  const int group_in = g.c / g.groups, group_out = g.m / g.groups;
  const int depth = (group_in + 3) / 4, first = at.m / group_out * group_in;
  const uint32_t padding = (static_cast<uint32_t>(zero) & 0xff) * 0x01010101u;
  const uint32_t* w = words + at.m;
  int32_t acc = 0;
  for (int kh = 0; kh < g.kernel_h; ++kh) {
    for (int kw = 0; kw < g.kernel_w; ++kw) {
      const int64_t pixel = pixel_of(g, at, kh, kw);
      const uint8_t* from = x + pixel * g.c + first;
      for (int d = 0; d < depth; ++d, w += g.m) {
        const uint32_t four =
            pixel < 0 ? padding : load_four(from + 4 * d, group_in - 4 * d, kWords ? 4 : 1);
        acc = dot4<kUnsigned>(four, __ldg(w), acc);
      }
    }
  }
  return acc;
}

/// The result of element i from its sum, without the bias.
__device__ __forceinline__ void finish(const WindowBytes& s, const WindowWeights& weights, int m,
                                       int64_t i, int32_t acc, const void* residual, void* y) {
  acc = static_cast<int32_t>(static_cast<uint32_t>(acc) + static_cast<uint32_t>(weights.bias[m]));
  const float multiplier = weights.multiplier[m];
  if (s.float_out) {
    store_real(y, s.y_type, i, clamp_value(__int2float_rn(acc) * multiplier, s.lo, s.hi));
    return;
  }
  int32_t q;
  if (s.has_residual) {
    const int32_t r = load_byte(residual, s.residual.is_unsigned, i) - s.residual.zero_point;
    q = requantize_add(acc, multiplier, r, s.residual_multiplier, s.y_zero_point, s.q_lo, s.q_hi);
  } else {
    q = requantize(acc, multiplier, s.y_zero_point, s.q_lo, s.q_hi);
  }
  static_cast<uint8_t*>(y)[i] = static_cast<uint8_t>(q);
}

template <bool kUnsigned, bool kWords>
__global__ void window_bytes(Window2d g, WindowBytes s, WindowWeights weights, int64_t count,
                             const uint8_t* x, const void* residual, const float* scales,
                             const int32_t* zeros, void* y) {
  wait_for_earlier_kernels();
  for (int64_t i = first_item(); i < count; i += item_step()) {
    const Place at(g, i);
    if (!s.dynamic) {
      const int32_t acc = window_sum<kUnsigned, kWords>(g, at, weights.words, x, s.x.zero_point);
      finish(s, weights, at.m, i, acc, residual, y);
      continue;
    }
    const int64_t sample = at.n / s.images_per_sample;
    const int32_t zero = zeros != nullptr ? zeros[sample] : 0;
    const auto sum =
        static_cast<uint32_t>(window_sum<kUnsigned, kWords>(g, at, weights.words, x, zero));
    const auto acc = static_cast<int32_t>(sum - static_cast<uint32_t>(zero) *
                                                    static_cast<uint32_t>(weights.sums[at.m]));
    const float v = __int2float_rn(acc) * product_scale(scales[sample], weights.multiplier[at.m]) +
                    weights.bias_float[at.m];
    static_cast<float*>(y)[i] = clamp_value(v, s.lo, s.hi);
  }
}

__global__ void dynamic_tail(DynamicTail t, const float* scales, float* y) {
  wait_for_earlier_kernels();
  const int64_t count = t.rows * t.m;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    const int64_t row =
        count <= 0xffffffff ? static_cast<uint32_t>(i) / static_cast<uint32_t>(t.m) : i / t.m;
    const int64_t m = i - row * t.m;
    // product_scale(): a product of two floats is exact in binary64, so one rounding is all.
    const float d = __fmul_rn(scales[row / t.rows_per_sample], t.multiplier[m]);
    y[i] = clamp_value(y[i] * d + t.bias[m], t.lo, t.hi);
  }
}

template <typename T>
__global__ void window_floats(Window2d g, float lo, float hi, const float* weights,
                              const float* bias, int64_t count, const T* x, const T* residual,
                              T* y) {
  wait_for_earlier_kernels();
  const int group_in = g.c / g.groups, group_out = g.m / g.groups;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    const Place at(g, i);
    float acc = bias != nullptr ? bias[at.m] : 0.0f;
    const float* w = weights + at.m;
    for (int kh = 0; kh < g.kernel_h; ++kh) {
      for (int kw = 0; kw < g.kernel_w; ++kw) {
        const int64_t pixel = pixel_of(g, at, kh, kw);
        if (pixel < 0) {
          w += int64_t{group_in} * g.m;
          continue;
        }
        const T* from = x + pixel * g.c + at.m / group_out * group_in;
        for (int c = 0; c < group_in; ++c, w += g.m) {
          acc = __fmaf_rn(to_float(from[c]), __ldg(w), acc);
        }
      }
    }
    if (residual != nullptr) acc += to_float(residual[i]);
    y[i] = from_float<T>(clamp_float(acc, lo, hi));
  }
}

/// Input index that a tap brings to `out`, or −1.
__device__ __forceinline__ int source(int out, int before, int tap, int dilation, int stride,
                                      int extent) {
  const int spread = out + before - tap * dilation;
  if (spread < 0 || spread % stride != 0) return -1;
  return spread / stride < extent ? spread / stride : -1;
}

template <typename T>
__global__ void transposed_window(Window2d g, float lo, float hi, const float* weights,
                                  const float* bias, int64_t count, const T* x, T* y) {
  wait_for_earlier_kernels();
  const int group_in = g.c / g.groups, group_out = g.m / g.groups;
  const int64_t taps = int64_t{g.kernel_h} * g.kernel_w;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    const Place at(g, i);
    const int group = at.m / group_out, in_group = at.m % group_out;
    float acc = bias != nullptr ? bias[at.m] : 0.0f;
    for (int kh = 0; kh < g.kernel_h; ++kh) {
      const int ih = source(at.oh, g.pad_top, kh, g.dilation_h, g.stride_h, g.h);
      for (int kw = 0; kw < g.kernel_w && ih >= 0; ++kw) {
        const int iw = source(at.ow, g.pad_left, kw, g.dilation_w, g.stride_w, g.w);
        if (iw < 0) continue;
        const T* from =
            x + ((int64_t{at.n} * g.h + ih) * g.w + iw) * g.c + int64_t{group} * group_in;
        const float* w = weights +
                         (int64_t{group} * group_in * taps + kh * g.kernel_w + kw) * group_out +
                         in_group;
        for (int c = 0; c < group_in; ++c) {
          acc = __fmaf_rn(to_float(from[c]), __ldg(w + c * taps * group_out), acc);
        }
      }
    }
    y[i] = from_float<T>(clamp_float(acc, lo, hi));
  }
}

int64_t outputs_of(const Window2d& g) { return int64_t{g.n} * g.out_h * g.out_w * g.m; }

}  // namespace

void launch_window_bytes(const Window2d& g, const WindowBytes& step, const WindowWeights& weights,
                         const void* x, const void* residual, const float* scales,
                         const int32_t* zeros, void* y, void* stream) {
  const bool words = g.c % 4 == 0 && g.c / g.groups % 4 == 0;
  const auto kernel = step.x.is_unsigned
                          ? (words ? window_bytes<true, true> : window_bytes<true, false>)
                          : (words ? window_bytes<false, true> : window_bytes<false, false>);
  const int64_t count = outputs_of(g);
  start_kernel(kernel, {blocks_for(count), kBlock, 0, stream_of(stream)}, g, step, weights, count,
               static_cast<const uint8_t*>(x), residual, scales, zeros, y);
}

void launch_dynamic_tail(const DynamicTail& tail, const float* scales, float* y, void* stream) {
  start_kernel(dynamic_tail, {blocks_for(tail.rows * tail.m), kBlock, 0, stream_of(stream)}, tail,
               scales, y);
}

void launch_window_floats(const Window2d& g, float lo, float hi, const float* weights,
                          const float* bias, Real type, const void* x, const void* residual,
                          void* y, void* stream) {
  const int64_t count = outputs_of(g);
  by_real(type, [&](auto real) {
    using T = decltype(real);
    start_kernel(window_floats<T>, {blocks_for(count), kBlock, 0, stream_of(stream)}, g, lo, hi,
                 weights, bias, count, static_cast<const T*>(x), static_cast<const T*>(residual),
                 static_cast<T*>(y));
  });
}

void launch_transposed_window(const Window2d& g, float lo, float hi, const float* weights,
                              const float* bias, Real type, const void* x, void* y, void* stream) {
  const int64_t count = outputs_of(g);
  by_real(type, [&](auto real) {
    using T = decltype(real);
    start_kernel(transposed_window<T>, {blocks_for(count), kBlock, 0, stream_of(stream)}, g, lo, hi,
                 weights, bias, count, static_cast<const T*>(x), static_cast<T*>(y));
  });
}

}  // namespace octile::cuda
