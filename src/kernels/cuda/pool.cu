// Pooling of channels-last images: a thread has some neighbouring channels of one output pixel.
// Maxima ignore the padding; 8-bit averages are an integer sum and one multiply
// (docs/arithmetic.md).
#include <cuda_runtime.h>

#include <cfloat>

#include "arithmetic/quantize.h"
#include "kernels/cuda/device/real.h"
#include "kernels/cuda/grid.h"

namespace octile::cuda {
namespace {

/// The first tap of an output pixel's window, and its image's first element.
struct Corner {
  int h, w;
  int64_t image;

  __device__ __forceinline__ Corner(const Pool2d& p, int64_t pixel) {
    const auto split = [&](auto n) {  // 32-bit division is several times faster
      using N = decltype(n);
      const N line = n / static_cast<N>(p.out_w), plane = line / static_cast<N>(p.out_h);
      w = static_cast<int>(n - line * static_cast<N>(p.out_w)) * p.stride_w - p.pad_left;
      h = static_cast<int>(line - plane * static_cast<N>(p.out_h)) * p.stride_h - p.pad_top;
      image = static_cast<int64_t>(plane) * p.h * p.w * p.c;
    };
    pixel <= 0xffffffff ? split(static_cast<uint32_t>(pixel)) : split(pixel);
  }
};

/// Calls f(index of the first of the thread's channels) for every tap on the image.
template <typename F>
__device__ __forceinline__ void for_taps(const Pool2d& p, int64_t pixel, int channel, F&& f) {
  const Corner corner(p, pixel);
  for (int kh = 0; kh < p.kernel_h; ++kh) {
    const int ih = corner.h + kh * p.dilation_h;
    if (ih < 0 || ih >= p.h) continue;
    for (int kw = 0; kw < p.kernel_w; ++kw) {
      const int iw = corner.w + kw * p.dilation_w;
      if (iw < 0 || iw >= p.w) continue;
      f(corner.image + (int64_t{ih} * p.w + iw) * p.c + channel);
    }
  }
}

/// The same for a window of kKernel × kKernel, with taps beside the image moved onto it, where they
/// are once more what another tap is: maxima do not mind, and all loads are under way together.
/// REQUIRES: can_move_taps().
template <int kKernel, typename F>
__device__ __forceinline__ void for_moved_taps(const Pool2d& p, int64_t pixel, int channel, F&& f) {
  const Corner corner(p, pixel);
#pragma unroll
  for (int kh = 0; kh < kKernel; ++kh) {
    const int ih = min(max(corner.h + kh, 0), p.h - 1);
#pragma unroll
    for (int kw = 0; kw < kKernel; ++kw) {
      const int iw = min(max(corner.w + kw, 0), p.w - 1);
      f(corner.image + (int64_t{ih} * p.w + iw) * p.c + channel);
    }
  }
}

/// Every window holds a pixel of the image, and has no gaps.
bool can_move_taps(const Pool2d& p) {
  return p.dilation_h == 1 && p.dilation_w == 1 && p.pad_top < p.kernel_h &&
         p.pad_left < p.kernel_w && (p.out_h - 1) * p.stride_h - p.pad_top < p.h &&
         (p.out_w - 1) * p.stride_w - p.pad_left < p.w;
}

/// Pixel and channel of item i, `kEach` channels an item.
template <int kEach>
__device__ __forceinline__ void place(const Pool2d& p, int64_t i, int64_t& pixel, int& channel) {
  const auto pieces = static_cast<uint32_t>(p.c / kEach);
  pixel = i <= 0xffffffff ? static_cast<uint32_t>(i) / pieces : i / pieces;
  channel = static_cast<int>(i - pixel * pieces) * kEach;
}

template <typename T>
__device__ __forceinline__ T least_of();
template <>
__device__ __forceinline__ int8_t least_of<int8_t>() {
  return -128;
}
template <>
__device__ __forceinline__ uint8_t least_of<uint8_t>() {
  return 0;
}

/// Sixteen channels: the comparison is one of four bytes at once. kKernel 0: any window.
template <bool kUnsigned, int kKernel>
__global__ void max_words(Pool2d p, int64_t items, const uint4* x, uint4* y) {
  wait_for_earlier_kernels();
  const auto larger = [](uint32_t a, uint32_t b) {
    return kUnsigned ? __vmaxu4(a, b) : __vmaxs4(a, b);
  };
  for (int64_t i = first_item(); i < items; i += item_step()) {
    int64_t pixel;
    int channel;
    place<16>(p, i, pixel, channel);
    const uint32_t least = kUnsigned ? 0u : 0x80808080u;
    uint4 best = make_uint4(least, least, least, least);
    const auto take = [&](int64_t at) {
      const uint4 v = x[at / 16];
      best = make_uint4(larger(best.x, v.x), larger(best.y, v.y), larger(best.z, v.z),
                        larger(best.w, v.w));
    };
    if constexpr (kKernel > 0) {
      for_moved_taps<kKernel>(p, pixel, channel, take);
    } else {
      for_taps(p, pixel, channel, take);
    }
    y[i] = best;
  }
}

template <typename T>
__global__ void max_bytes(Pool2d p, int64_t items, const T* x, T* y) {
  wait_for_earlier_kernels();
  for (int64_t i = first_item(); i < items; i += item_step()) {
    int64_t pixel;
    int channel;
    place<1>(p, i, pixel, channel);
    T best = least_of<T>();
    for_taps(p, pixel, channel, [&](int64_t at) { best = x[at] > best ? x[at] : best; });
    y[i] = best;
  }
}

template <typename T>
__global__ void max_floats(Pool2d p, int64_t items, const T* x, T* y) {
  wait_for_earlier_kernels();
  for (int64_t i = first_item(); i < items; i += item_step()) {
    int64_t pixel;
    int channel;
    place<1>(p, i, pixel, channel);
    float best = -INFINITY;
    for_taps(p, pixel, channel, [&](int64_t at) {
      const float v = to_float(x[at]);
      if (v > best || v != v) best = v;  // NaN wins and stays
    });
    y[i] = from_float<T>(best);
  }
}

__device__ __forceinline__ uint8_t average(int32_t sum, float m, ByteType y_type) {
  const int32_t lo = y_type.is_unsigned ? 0 : -128;
  return static_cast<uint8_t>(requantize(sum, m, y_type.zero_point, lo, lo + 255));
}

__global__ void average_bytes(Pool2d p, ByteType x_type, ByteType y_type, const float* multipliers,
                              int64_t items, const void* x, uint8_t* y) {
  wait_for_earlier_kernels();
  const int64_t pixels = int64_t{p.out_h} * p.out_w;
  for (int64_t i = first_item(); i < items; i += item_step()) {
    int64_t pixel;
    int channel;
    place<1>(p, i, pixel, channel);
    int32_t sum = 0;
    for_taps(p, pixel, channel,
             [&](int64_t at) { sum += load_byte(x, x_type.is_unsigned, at) - x_type.zero_point; });
    y[i] = average(sum, multipliers[pixel % pixels], y_type);
  }
}

constexpr int kWideRows = 8;  // of threads, over the taps

/// Large windows (the whole image, mostly): a block has 32 channels of one pixel and shares taps.
__global__ void average_bytes_wide(Pool2d p, ByteType x_type, ByteType y_type,
                                   const float* multipliers, const void* x, uint8_t* y) {
  wait_for_earlier_kernels();
  const int64_t pixel = blockIdx.x;
  const int channel = static_cast<int>(blockIdx.y * 32 + threadIdx.x);
  const Corner corner(p, pixel);
  int32_t sum = 0;
  for (int tap = threadIdx.y; channel < p.c && tap < p.kernel_h * p.kernel_w; tap += kWideRows) {
    const int ih = corner.h + tap / p.kernel_w * p.dilation_h;
    const int iw = corner.w + tap % p.kernel_w * p.dilation_w;
    if (ih < 0 || ih >= p.h || iw < 0 || iw >= p.w) continue;
    const int64_t at = corner.image + (int64_t{ih} * p.w + iw) * p.c + channel;
    sum += load_byte(x, x_type.is_unsigned, at) - x_type.zero_point;
  }
  __shared__ int32_t s_sums[kWideRows][32];
  s_sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || channel >= p.c) return;
  for (int row = 1; row < kWideRows; ++row) sum += s_sums[row][threadIdx.x];
  const float m = multipliers[pixel % (int64_t{p.out_h} * p.out_w)];
  y[pixel * p.c + channel] = average(sum, m, y_type);
}

template <typename T>
__global__ void average_floats(Pool2d p, const float* counts, int64_t items, const T* x, T* y) {
  wait_for_earlier_kernels();
  const int64_t pixels = int64_t{p.out_h} * p.out_w;
  for (int64_t i = first_item(); i < items; i += item_step()) {
    int64_t pixel;
    int channel;
    place<1>(p, i, pixel, channel);
    float sum = 0.0f, lost = 0.0f;  // Kahan's sum: windows may be whole images
    for_taps(p, pixel, channel, [&](int64_t at) {
      const float term = to_float(x[at]) - lost, next = sum + term;
      lost = (next - sum) - term;
      sum = next;
    });
    const float count = counts[pixel % pixels];
    y[i] = from_float<T>(count == 0.0f ? 0.0f : sum / count);
  }
}

template <bool kUnsigned>
auto max_words_of(const Pool2d& p) {
  const int kernel = p.kernel_h == p.kernel_w && can_move_taps(p) ? p.kernel_h : 0;
  return kernel == 2   ? max_words<kUnsigned, 2>
         : kernel == 3 ? max_words<kUnsigned, 3>
                       : max_words<kUnsigned, 0>;
}

int64_t items_of(const Pool2d& p, int each) {
  return int64_t{p.n} * p.out_h * p.out_w * (p.c / each);
}

}  // namespace

void launch_max_pool_bytes(const Pool2d& p, bool is_unsigned, const void* x, void* y,
                           void* stream) {
  if (p.c % 16 == 0) {
    const auto kernel = is_unsigned ? max_words_of<true>(p) : max_words_of<false>(p);
    start_kernel(kernel, {blocks_for(items_of(p, 16)), kBlock, 0, stream_of(stream)}, p,
                 items_of(p, 16), static_cast<const uint4*>(x), static_cast<uint4*>(y));
  } else if (is_unsigned) {
    start_kernel(max_bytes<uint8_t>, {blocks_for(items_of(p, 1)), kBlock, 0, stream_of(stream)}, p,
                 items_of(p, 1), static_cast<const uint8_t*>(x), static_cast<uint8_t*>(y));
  } else {
    start_kernel(max_bytes<int8_t>, {blocks_for(items_of(p, 1)), kBlock, 0, stream_of(stream)}, p,
                 items_of(p, 1), static_cast<const int8_t*>(x), static_cast<int8_t*>(y));
  }
}

void launch_max_pool_floats(const Pool2d& p, Real type, const void* x, void* y, void* stream) {
  by_real(type, [&](auto real) {
    using T = decltype(real);
    start_kernel(max_floats<T>, {blocks_for(items_of(p, 1)), kBlock, 0, stream_of(stream)}, p,
                 items_of(p, 1), static_cast<const T*>(x), static_cast<T*>(y));
  });
}

void launch_average_pool_bytes(const Pool2d& p, ByteType x_type, ByteType y_type,
                               const float* multipliers, const void* x, void* y, void* stream) {
  const int64_t pixels = int64_t{p.n} * p.out_h * p.out_w;
  auto* out = static_cast<uint8_t*>(y);
  constexpr int kWideWindow = 16;
  if (p.kernel_h * p.kernel_w >= kWideWindow && pixels < 0x7fffffff) {
    const dim3 grid(static_cast<unsigned>(pixels), static_cast<unsigned>((p.c + 31) / 32));
    start_kernel(average_bytes_wide, {grid, dim3(32, kWideRows), 0, stream_of(stream)}, p, x_type,
                 y_type, multipliers, x, out);
    return;
  }
  start_kernel(average_bytes, {blocks_for(items_of(p, 1)), kBlock, 0, stream_of(stream)}, p, x_type,
               y_type, multipliers, items_of(p, 1), x, out);
}

void launch_average_pool_floats(const Pool2d& p, const float* counts, Real type, const void* x,
                                void* y, void* stream) {
  by_real(type, [&](auto real) {
    using T = decltype(real);
    start_kernel(average_floats<T>, {blocks_for(items_of(p, 1)), kBlock, 0, stream_of(stream)}, p,
                 counts, items_of(p, 1), static_cast<const T*>(x), static_cast<T*>(y));
  });
}

}  // namespace octile::cuda
