// Float ↔ 8 bits with the change of layout fused; dynamic ranges, one a sample.
// Start reading at quantize_straight().
#include <cuda_runtime.h>

#include <cfloat>

#include "arithmetic/quantize.h"
#include "kernels/cuda/device/real.h"
#include "kernels/cuda/grid.h"

namespace octile::cuda {
namespace {

/// Scale and zero point of a sample: fixed, or its own.
struct Params {
  QuantizeFixed fixed;
  const float* scales = nullptr;
  const int32_t* zeros = nullptr;
  __device__ __forceinline__ float scale(int64_t n) const {
    return scales != nullptr ? scales[n] : fixed.scale;
  }
  __device__ __forceinline__ int32_t zero(int64_t n) const {
    return zeros != nullptr ? zeros[n] : scales != nullptr ? 0 : fixed.zero_point;
  }
};

template <typename T>
struct Quantizer {
  using From = T;
  using To = uint8_t;
  Params params;
  __device__ __forceinline__ uint8_t operator()(T x, int64_t n) const {
    return static_cast<uint8_t>(quantize_value(to_float(x), params.scale(n), params.zero(n),
                                               params.fixed.q_lo, params.fixed.q_hi));
  }
};

/// A dequantized value as the output has it.
template <typename T>
__device__ __forceinline__ T stored(float v) {
  return v;
}
template <>
__device__ __forceinline__ __half stored<__half>(float v) {
  return saturated_half(v);
}

template <typename T>
struct Dequantizer {
  using From = uint8_t;
  using To = T;
  Params params;
  bool is_unsigned;
  __device__ __forceinline__ T operator()(uint8_t byte, int64_t n) const {
    const int32_t q = is_unsigned ? int32_t{byte} : int32_t{static_cast<int8_t>(byte)};
    return stored<T>(dequantize_value(q, params.scale(n), params.zero(n)));
  }
};

template <typename Source, typename Target>
struct Caster {
  using From = Source;
  using To = Target;
  Params params;
  __device__ __forceinline__ Target operator()(Source x, int64_t) const {
    return from_float<Target>(to_float(x));
  }
};

/// Layouts agree: element by element. blockIdx.y is the sample where each has its own range.
template <typename Convert>
__global__ void convert_straight(Convert convert, const typename Convert::From* x,
                                 typename Convert::To* y, int64_t per_sample) {
  wait_for_earlier_kernels();
  const int64_t n = blockIdx.y, base = n * per_sample;
  for (int64_t i = first_item(); i < per_sample; i += item_step()) {
    y[base + i] = convert(x[base + i], n);
  }
}

/// Four a thread, the sample's range known: what most networks begin with.
__global__ void quantize_straight(QuantizeFixed s, const float4* x, uchar4* y, int64_t pieces) {
  wait_for_earlier_kernels();
  const auto quantize = [&](float v) {
    return static_cast<uint8_t>(quantize_value(v, s.scale, s.zero_point, s.q_lo, s.q_hi));
  };
  for (int64_t i = first_item(); i < pieces; i += item_step()) {
    const float4 v = x[i];
    y[i] = make_uchar4(quantize(v.x), quantize(v.y), quantize(v.z), quantize(v.w));
  }
}

__global__ void dequantize_straight(float scale, ByteType type, const uchar4* x, float4* y,
                                    int64_t pieces) {
  wait_for_earlier_kernels();
  const auto value = [&](uint8_t byte) {
    const int32_t q = type.is_unsigned ? int32_t{byte} : int32_t{static_cast<int8_t>(byte)};
    return dequantize_value(q, scale, type.zero_point);
  };
  for (int64_t i = first_item(); i < pieces; i += item_step()) {
    const uchar4 v = x[i];
    y[i] = make_float4(value(v.x), value(v.y), value(v.z), value(v.w));
  }
}

constexpr int kTile = 32;  // of rows and columns that turn at once
constexpr int kTileRows = 8;

/// (rows, columns) of a sample become (columns, rows), through shared memory: both sides coalesced.
template <typename Convert>
__global__ void convert_turning(Convert convert, const typename Convert::From* x,
                                typename Convert::To* y, int64_t rows, int64_t columns) {
  wait_for_earlier_kernels();
  __shared__ typename Convert::To s_tile[kTile][kTile + 1];
  const int64_t tiles_x = (columns + kTile - 1) / kTile;
  const int64_t n = blockIdx.y, base = n * rows * columns;
  const int64_t column0 = blockIdx.x % tiles_x * kTile, row0 = blockIdx.x / tiles_x * kTile;
  for (int i = threadIdx.y; i < kTile; i += kTileRows) {
    const int64_t row = row0 + i, column = column0 + threadIdx.x;
    if (row < rows && column < columns) {
      s_tile[i][threadIdx.x] = convert(x[base + row * columns + column], n);
    }
  }
  __syncthreads();
  for (int i = threadIdx.y; i < kTile; i += kTileRows) {
    const int64_t row = column0 + i, column = row0 + threadIdx.x;
    if (row < columns && column < rows) y[base + row * rows + column] = s_tile[threadIdx.x][i];
  }
}

/// Few channels turned to the end or from it: a thread a pixel, its channels in a loop.
template <typename Convert>
__global__ void convert_narrow(Convert convert, const typename Convert::From* x,
                               typename Convert::To* y, Sample p) {
  wait_for_earlier_kernels();
  const int64_t n = blockIdx.y, base = n * p.c * p.s;
  for (int64_t s = first_item(); s < p.s; s += item_step()) {
    for (int64_t c = 0; c < p.c; ++c) {
      const int64_t plain = base + c * p.s + s, last = base + s * p.c + c;
      if (p.to_last) {
        y[last] = convert(x[plain], n);
      } else {
        y[plain] = convert(x[last], n);
      }
    }
  }
}

template <typename Convert>
void convert_all(const Convert& convert, const Sample& p, const void* from, void* to,
                 void* stream) {
  constexpr int64_t kMostSamples = 65535, kNarrow = 4;  // gridDim.y
  const int64_t per_sample = p.c * p.s;
  for (int64_t first = 0; first < p.n; first += kMostSamples) {
    const auto n = static_cast<unsigned>(p.n - first < kMostSamples ? p.n - first : kMostSamples);
    const auto* x = static_cast<const typename Convert::From*>(from) + first * per_sample;
    auto* y = static_cast<typename Convert::To*>(to) + first * per_sample;
    Convert here = convert;
    if (here.params.scales != nullptr) here.params.scales += first;
    if (here.params.zeros != nullptr) here.params.zeros += first;
    if (!p.turn) {
      start_kernel(convert_straight<Convert>,
                   {dim3(blocks_for(per_sample), n), kBlock, 0, stream_of(stream)}, here, x, y,
                   per_sample);
    } else if (p.c <= kNarrow) {
      start_kernel(convert_narrow<Convert>,
                   {dim3(blocks_for(p.s), n), kBlock, 0, stream_of(stream)}, here, x, y, p);
    } else {
      const int64_t rows = p.to_last ? p.c : p.s, columns = p.to_last ? p.s : p.c;
      const int64_t tiles = ((rows + kTile - 1) / kTile) * ((columns + kTile - 1) / kTile);
      start_kernel(
          convert_turning<Convert>,
          {dim3(static_cast<unsigned>(tiles), n), dim3(kTile, kTileRows), 0, stream_of(stream)},
          here, x, y, rows, columns);
    }
  }
}

// --- ranges of samples ---

__device__ __forceinline__ void widen(float x, float& lo, float& hi) {
  if (!is_in_range(x)) return;
  lo = x < lo ? x : lo;
  hi = x > hi ? x : hi;
}

/// (T / 127) and (max − min) / 255 as quantize.h has them, in the same operations.
__device__ void params_of(float lo, float hi, bool affine, float& scale, int32_t& zero) {
  constexpr float kLeast = FLT_MIN;
  zero = 0;
  if (!affine) {
    scale = (-lo > hi ? -lo : hi) / 127.0f;
    if (!(scale >= kLeast)) scale = 1.0f;
    return;
  }
  const float width = hi - lo;
  scale = width <= FLT_MAX ? width / 255.0f : (0.5f * hi - 0.5f * lo) / 127.5f;
  if (!(scale >= kLeast)) {
    scale = 1.0f;
    return;
  }
  zero = static_cast<int32_t>(rintf(clamp_value(-lo / scale, 0.0f, 255.0f)));
}

/// Least and largest value of a block's share of a sample, widened to hold 0; thread 0 has them.
template <typename T>
__device__ void block_range(const T* from, int64_t count, float& lo, float& hi) {
  lo = hi = 0.0f;
  for (int64_t i = first_item(); i < count; i += item_step()) widen(to_float(from[i]), lo, hi);
  __shared__ float s_lo[32], s_hi[32];
  for (int lane = 16; lane > 0; lane /= 2) {
    widen(__shfl_down_sync(0xffffffffu, lo, lane), lo, hi);
    widen(__shfl_down_sync(0xffffffffu, hi, lane), lo, hi);
  }
  if (threadIdx.x % 32 == 0) {
    s_lo[threadIdx.x / 32] = lo;
    s_hi[threadIdx.x / 32] = hi;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int warp = 0; warp < static_cast<int>(blockDim.x / 32); ++warp) {
    widen(s_lo[warp], lo, hi);
    widen(s_hi[warp], lo, hi);
  }
}

__device__ __forceinline__ void write_params(float lo, float hi, float* scales, int32_t* zeros,
                                             int64_t n) {
  float scale;
  int32_t zero;
  params_of(lo, hi, zeros != nullptr, scale, zero);
  scales[n] = scale;
  if (zeros != nullptr) zeros[n] = zero;
}

/// One block a sample: blockIdx.y.
template <typename T>
__global__ void sample_ranges(const T* x, int64_t per_sample, float* scales, int32_t* zeros) {
  wait_for_earlier_kernels();
  float lo, hi;
  block_range(x + blockIdx.y * per_sample, per_sample, lo, hi);
  if (threadIdx.x == 0) write_params(lo, hi, scales, zeros, blockIdx.y);
}

/// Several blocks a sample: they meet in ends (n, 2), zeros at first, which hold −min and max as
/// bits; those of floats that are not negative have the floats' order.
template <typename T>
__global__ void part_ranges(const T* x, int64_t per_sample, uint32_t* ends) {
  wait_for_earlier_kernels();
  float lo, hi;
  block_range(x + blockIdx.y * per_sample, per_sample, lo, hi);
  if (threadIdx.x != 0) return;
  if (lo < 0.0f) atomicMax(ends + 2 * blockIdx.y, __float_as_uint(-lo));
  if (hi > 0.0f) atomicMax(ends + 2 * blockIdx.y + 1, __float_as_uint(hi));
}

__global__ void params_of_ends(const uint32_t* ends, int64_t n, float* scales, int32_t* zeros) {
  wait_for_earlier_kernels();
  const int64_t i = first_item();
  if (i >= n) return;
  write_params(-__uint_as_float(ends[2 * i]), __uint_as_float(ends[2 * i + 1]), scales, zeros, i);
}

constexpr int kRangeThreads = 1024;
constexpr int64_t kOneBlock = 32768;  // values that one block reads about as fast as several

template <typename T>
void find_ranges(const Sample& p, const T* x, float* scales, int32_t* zeros, uint32_t* ends,
                 void* stream) {
  constexpr int64_t kMostSamples = 65535;  // gridDim.y
  const int64_t per_sample = p.c * p.s;
  const bool split = per_sample > kOneBlock;
  const int64_t parts = split ? (per_sample + kOneBlock / 4 - 1) / (kOneBlock / 4) : 1;
  if (split) (void)cudaMemsetAsync(ends, 0, static_cast<size_t>(p.n) * 8, stream_of(stream));
  for (int64_t first = 0; first < p.n; first += kMostSamples) {
    const auto n = static_cast<unsigned>(p.n - first < kMostSamples ? p.n - first : kMostSamples);
    const T* from = x + first * per_sample;
    if (split) {
      start_kernel(part_ranges<T>,
                   {dim3(static_cast<unsigned>(parts < 256 ? parts : 256), n), kRangeThreads, 0,
                    stream_of(stream)},
                   from, per_sample, ends + 2 * first);
    } else {
      start_kernel(sample_ranges<T>, {dim3(1, n), kRangeThreads, 0, stream_of(stream)}, from,
                   per_sample, scales + first, zeros != nullptr ? zeros + first : nullptr);
    }
  }
  if (!split) return;
  start_kernel(params_of_ends, {blocks_for(p.n), kBlock, 0, stream_of(stream)}, ends, p.n, scales,
               zeros);
}

}  // namespace

void launch_quantize(const QuantizeFixed& step, const Sample& p, Real type, const void* x,
                     uint8_t* y, void* stream) {
  const int64_t count = p.n * p.c * p.s;
  if (type == Real::kHalf) return convert_all(Quantizer<__half>{{step}}, p, x, y, stream);
  if (!p.turn && count % 4 == 0) {
    start_kernel(quantize_straight, {blocks_for(count / 4), kBlock, 0, stream_of(stream)}, step,
                 static_cast<const float4*>(x), reinterpret_cast<uchar4*>(y), count / 4);
    return;
  }
  convert_all(Quantizer<float>{{step}}, p, x, y, stream);
}

void launch_quantize_dynamic(int32_t q_lo, int32_t q_hi, const Sample& p, Real type, const void* x,
                             uint8_t* y, float* scales, int32_t* zeros, void* scratch,
                             void* stream) {
  by_real(type, [&](auto real) {
    using T = decltype(real);
    find_ranges(p, static_cast<const T*>(x), scales, zeros, static_cast<uint32_t*>(scratch),
                stream);
    convert_all(Quantizer<T>{{{1.0f, 0, q_lo, q_hi}, scales, zeros}}, p, x, y, stream);
  });
}

void launch_dequantize(float scale, ByteType type, const Sample& p, const void* x,
                       const float* scales, const int32_t* zeros, Real y_type, void* y,
                       void* stream) {
  const int64_t count = p.n * p.c * p.s;
  const Params params{{scale, type.zero_point, 0, 0}, scales, zeros};
  if (y_type == Real::kHalf) {
    return convert_all(Dequantizer<__half>{params, type.is_unsigned}, p, x, y, stream);
  }
  if (!p.turn && count % 4 == 0 && scales == nullptr) {
    start_kernel(dequantize_straight, {blocks_for(count / 4), kBlock, 0, stream_of(stream)}, scale,
                 type, static_cast<const uchar4*>(x), static_cast<float4*>(y), count / 4);
    return;
  }
  convert_all(Dequantizer<float>{params, type.is_unsigned}, p, x, y, stream);
}

void launch_cast(const Sample& p, Real x_type, const void* x, void* y, void* stream) {
  if (x_type == Real::kHalf) {
    convert_all(Caster<__half, float>{}, p, x, y, stream);
  } else {
    convert_all(Caster<float, __half>{}, p, x, y, stream);
  }
}

}  // namespace octile::cuda
