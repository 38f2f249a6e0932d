// Products of two run-time matrices, any strides, batch axes broadcast. One tiled kernel for floats
// and for bytes, whose sums are integers (docs/arithmetic.md). Plain: tensor cores have other rows.
#include <cuda_runtime.h>

#include "arithmetic/quantize.h"
#include "kernels/cuda/device/real.h"
#include "kernels/cuda/grid.h"

namespace octile::cuda {
namespace {

constexpr int kTile = 64;   // rows and columns of a block's result
constexpr int kDepth = 16;  // terms at a time
constexpr int kEach = 4;    // rows and columns of a thread
constexpr int kThreads = (kTile / kEach) * (kTile / kEach);

__device__ __forceinline__ int64_t batch_offset(const Product& p, int operand, int64_t batch) {
  int64_t offset = 0;
  for (int axis = p.batch_rank - 1; axis >= 0; --axis) {
    const int64_t rest = batch / p.batch_extent[axis];
    offset += (batch - rest * p.batch_extent[axis]) * p.batch_stride[operand][axis];
    batch = rest;
  }
  return offset;
}

template <typename T>
struct FloatOperands {
  using Value = float;
  float lo, hi;
  const T *a, *b;
  T* y;
  __device__ __forceinline__ float load_a(int64_t i) const { return to_float(a[i]); }
  __device__ __forceinline__ float load_b(int64_t i) const { return to_float(b[i]); }
  __device__ __forceinline__ static float add(float acc, float l, float r) {
    return __fmaf_rn(l, r, acc);
  }
  __device__ __forceinline__ void store(int64_t i, float acc) const {
    y[i] = from_float<T>(clamp_float(acc, lo, hi));
  }
};

struct ByteOperands {
  using Value = int32_t;
  ProductBytes s;
  const void *a, *b;
  void* y;
  __device__ __forceinline__ int32_t load_a(int64_t i) const {
    return load_byte(a, s.a.is_unsigned, i) - s.a.zero_point;
  }
  __device__ __forceinline__ int32_t load_b(int64_t i) const {
    return load_byte(b, s.b.is_unsigned, i) - s.b.zero_point;
  }
  __device__ __forceinline__ static int32_t add(int32_t acc, int32_t l, int32_t r) {
    return static_cast<int32_t>(static_cast<uint32_t>(acc) + static_cast<uint32_t>(l * r));
  }
  __device__ __forceinline__ void store(int64_t i, int32_t acc) const {
    if (s.float_out) {
      store_real(y, s.y_type, i, clamp_value(__int2float_rn(acc) * s.multiplier, s.lo, s.hi));
    } else {
      static_cast<uint8_t*>(y)[i] =
          static_cast<uint8_t>(requantize(acc, s.multiplier, s.y_zero_point, s.q_lo, s.q_hi));
    }
  }
};

template <typename Operands>
__global__ void __launch_bounds__(kThreads) product(Product p, Operands o) {
  wait_for_earlier_kernels();
  using Value = typename Operands::Value;
  __shared__ Value s_a[kDepth][kTile + 1], s_b[kDepth][kTile + 1];
  const int64_t batch = blockIdx.z, base_a = batch_offset(p, 0, batch),
                base_b = batch_offset(p, 1, batch);
  const int64_t row0 = int64_t{blockIdx.y} * kTile, column0 = int64_t{blockIdx.x} * kTile;
  const int tx = threadIdx.x % (kTile / kEach), ty = threadIdx.x / (kTile / kEach);
  // Neighbouring threads read neighbouring bytes, whichever axis is the inner one.
  const bool a_by_term = p.term_a == 1, b_by_column = p.column_b == 1;
  Value acc[kEach][kEach] = {};
  for (int64_t k0 = 0; k0 < p.k; k0 += kDepth) {
    for (int i = threadIdx.x; i < kTile * kDepth; i += kThreads) {
      const int ra = a_by_term ? i / kDepth : i % kTile, ka = a_by_term ? i % kDepth : i / kTile;
      const int cb = b_by_column ? i % kTile : i / kDepth,
                kb = b_by_column ? i / kTile : i % kDepth;
      const bool has_a = row0 + ra < p.m && k0 + ka < p.k;
      const bool has_b = column0 + cb < p.n && k0 + kb < p.k;
      s_a[ka][ra] =
          has_a ? o.load_a(base_a + (row0 + ra) * p.row_a + (k0 + ka) * p.term_a) : Value{0};
      s_b[kb][cb] =
          has_b ? o.load_b(base_b + (column0 + cb) * p.column_b + (k0 + kb) * p.term_b) : Value{0};
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      Value r_a[kEach], r_b[kEach];
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
        r_a[i] = s_a[k][ty * kEach + i];
        r_b[i] = s_b[k][tx + i * (kTile / kEach)];
      }
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
#pragma unroll
        for (int j = 0; j < kEach; ++j) acc[i][j] = Operands::add(acc[i][j], r_a[i], r_b[j]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
      const int64_t row = row0 + ty * kEach + i, column = column0 + tx + j * (kTile / kEach);
      if (row < p.m && column < p.n) o.store((batch * p.m + row) * p.n + column, acc[i][j]);
    }
  }
}

template <typename Operands>
void run(const Product& p, const Operands& operands, void* stream) {
  const dim3 grid(static_cast<unsigned>((p.n + kTile - 1) / kTile),
                  static_cast<unsigned>((p.m + kTile - 1) / kTile),
                  static_cast<unsigned>(p.batches));
  start_kernel(product<Operands>, {grid, kThreads, 0, stream_of(stream)}, p, operands);
}

}  // namespace

void launch_matmul_bytes(const Product& p, const ProductBytes& step, const void* a, const void* b,
                         void* y, void* stream) {
  run(p, ByteOperands{step, a, b, y}, stream);
}

void launch_matmul_floats(const Product& p, float lo, float hi, Real type, const void* a,
                          const void* b, void* y, void* stream) {
  by_real(type, [&](auto real) {
    using T = decltype(real);
    run(p,
        FloatOperands<T>{lo, hi, static_cast<const T*>(a), static_cast<const T*>(b),
                         static_cast<T*>(y)},
        stream);
  });
}

}  // namespace octile::cuda
