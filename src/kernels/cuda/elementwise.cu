// One result an element: 8-bit add and multiply, float arithmetic with broadcasting, activations,
// byte tables. Bits of 8-bit results: docs/arithmetic.md, "Other int8 steps".
#include <cuda_runtime.h>

#include "arithmetic/quantize.h"
#include "kernels/cuda/device/real.h"
#include "kernels/cuda/grid.h"
#include "octile/ops.h"

namespace octile::cuda {
namespace {

/// Where element i of y finds its operands.
__device__ __forceinline__ void locate(const Walk& walk, int64_t i, int64_t& a, int64_t& b) {
  a = b = 0;
  for (int axis = walk.rank - 1; axis > 0; --axis) {
    const int64_t extent = walk.extent[axis];
    int64_t rest, at;
    if (i <= 0xffffffff && extent <= 0xffffffff) {  // 32-bit division is several times faster
      rest = static_cast<uint32_t>(i) / static_cast<uint32_t>(extent);
      at = static_cast<uint32_t>(i) - static_cast<uint32_t>(rest) * static_cast<uint32_t>(extent);
    } else {
      rest = i / extent;
      at = i - rest * extent;
    }
    a += at * walk.stride[0][axis];
    b += at * walk.stride[1][axis];
    i = rest;
  }
  a += i * walk.stride[0][0];
  b += i * walk.stride[1][0];
}

__device__ __forceinline__ int32_t combine(const EltwiseBytes& s, int32_t qa, int32_t qb) {
  return s.multiply ? requantize(qa * qb, s.m_a, s.y_zero_point, s.q_lo, s.q_hi)
                    : requantize_add(qa, s.m_a, qb, s.m_b, s.y_zero_point, s.q_lo, s.q_hi);
}

__global__ void eltwise_bytes(EltwiseBytes s, Walk walk, const void* a, const void* b, uint8_t* y) {
  wait_for_earlier_kernels();
  for (int64_t i = first_item(); i < walk.count; i += item_step()) {
    int64_t from_a, from_b;
    locate(walk, i, from_a, from_b);
    const int32_t qa = load_byte(a, s.a.is_unsigned, from_a) - s.a.zero_point;
    const int32_t qb = load_byte(b, s.b.is_unsigned, from_b) - s.b.zero_point;
    y[i] = static_cast<uint8_t>(combine(s, qa, qb));
  }
}

__device__ __forceinline__ int32_t byte_of(uint32_t word, int i, bool is_unsigned) {
  const uint32_t byte = word >> (8 * i) & 0xff;
  return is_unsigned ? static_cast<int32_t>(byte) : static_cast<int32_t>(static_cast<int8_t>(byte));
}

/// 16 elements a thread; what is left goes to the kernel above.
__global__ void eltwise_bytes_dense(EltwiseBytes s, const uint4* a, const uint4* b, uint4* y,
                                    int64_t pieces) {
  wait_for_earlier_kernels();
  for (int64_t i = first_item(); i < pieces; i += item_step()) {
    const uint4 va = a[i], vb = b[i];
    const uint32_t wa[4] = {va.x, va.y, va.z, va.w}, wb[4] = {vb.x, vb.y, vb.z, vb.w};
    uint32_t out[4];
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      out[w] = 0;
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int32_t q = combine(s, byte_of(wa[w], e, s.a.is_unsigned) - s.a.zero_point,
                                  byte_of(wb[w], e, s.b.is_unsigned) - s.b.zero_point);
        out[w] |= (static_cast<uint32_t>(q) & 0xff) << (8 * e);
      }
    }
    y[i] = make_uint4(out[0], out[1], out[2], out[3]);
  }
}

__device__ __forceinline__ float arithmetic(ElementwiseKind kind, float a, float b) {
  switch (kind) {
    case ElementwiseKind::kAdd: return a + b;
    case ElementwiseKind::kSub: return a - b;
    case ElementwiseKind::kMul: return a * b;
    case ElementwiseKind::kDiv: return a / b;
    case ElementwiseKind::kMin: return a < b || a != a ? a : b;
    case ElementwiseKind::kMax: return a > b || a != a ? a : b;
    case ElementwiseKind::kPow: return static_cast<float>(pow(double(a), double(b)));
    case ElementwiseKind::kFloorDiv: return floorf(a / b);
    case ElementwiseKind::kMod: return fmodf(a, b);
    default: return 0.0f;
  }
}

template <bool kDense, typename T>
__global__ void eltwise_floats(EltwiseFloats s, Walk walk, const T* a, const T* b, T* y) {
  wait_for_earlier_kernels();
  for (int64_t i = first_item(); i < walk.count; i += item_step()) {
    int64_t from_a = i, from_b = i;
    if constexpr (!kDense) locate(walk, i, from_a, from_b);
    const float v =
        arithmetic(static_cast<ElementwiseKind>(s.kind), to_float(a[from_a]), to_float(b[from_b]));
    y[i] = from_float<T>(clamp_float(v, s.lo, s.hi));
  }
}

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ __forceinline__ float softplus(float x) {
  return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
}
__device__ __forceinline__ float clip(float x, float lo, float hi) {
  return x < lo ? lo : x > hi ? hi : x;
}
__device__ __forceinline__ float gelu_tanh(float x) {
  const float inner = 0.79788456080286536f * (x + 0.044715f * x * x * x);
  return 0.5f * x * (1.0f + tanhf(inner));
}

__device__ float activation(ActivationKind kind, float alpha, float beta, float x) {
  switch (kind) {
    case ActivationKind::kRelu: return x <= 0.0f ? 0.0f : x;  // NaN stays
    case ActivationKind::kLeakyRelu: return x < 0.0f ? alpha * x : x;
    case ActivationKind::kSoftsign: return x / (1.0f + fabsf(x));
    case ActivationKind::kClip: return clip(x, alpha, beta);
    case ActivationKind::kHardSigmoid: return clip(alpha * x + beta, 0.0f, 1.0f);
    case ActivationKind::kThresholdedRelu: return x <= alpha ? 0.0f : x;
    case ActivationKind::kAffine: return alpha * x + beta;
    case ActivationKind::kHardSwish: return x * clip(x / 6.0f + 0.5f, 0.0f, 1.0f);
    case ActivationKind::kSigmoid: return sigmoid(x);
    case ActivationKind::kTanh: return tanhf(x);
    case ActivationKind::kElu: return x < 0 ? alpha * expm1f(x) : x;
    case ActivationKind::kSelu: return beta * (x < 0 ? alpha * expm1f(x) : x);
    case ActivationKind::kSoftplus: return alpha * softplus(beta * x);
    case ActivationKind::kScaledTanh: return alpha * tanhf(beta * x);
    case ActivationKind::kGeluErf: return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case ActivationKind::kGeluTanh: return gelu_tanh(x);
    case ActivationKind::kSwish: return x * sigmoid(alpha * x);
    case ActivationKind::kMish: return x * tanhf(softplus(x));
  }
  return x;
}

template <typename T>
__global__ void activate_floats(ActivationKind kind, float alpha, float beta, const T* x, T* y,
                                int64_t count) {
  wait_for_earlier_kernels();
  for (int64_t i = first_item(); i < count; i += item_step()) {
    y[i] = from_float<T>(activation(kind, alpha, beta, to_float(x[i])));
  }
}

__device__ float unary(UnaryKind kind, float x) {
  switch (kind) {
    case UnaryKind::kExp: return expf(x);
    case UnaryKind::kLog: return logf(x);
    case UnaryKind::kSqrt: return sqrtf(x);
    case UnaryKind::kReciprocal: return 1.0f / x;
    case UnaryKind::kAbs: return fabsf(x);
    case UnaryKind::kNeg: return -x;
    case UnaryKind::kSin: return sinf(x);
    case UnaryKind::kCos: return cosf(x);
    case UnaryKind::kTan: return tanf(x);
    case UnaryKind::kSinh: return sinhf(x);
    case UnaryKind::kCosh: return coshf(x);
    case UnaryKind::kAsin: return asinf(x);
    case UnaryKind::kAcos: return acosf(x);
    case UnaryKind::kAtan: return atanf(x);
    case UnaryKind::kAsinh: return asinhf(x);
    case UnaryKind::kAcosh: return acoshf(x);
    case UnaryKind::kAtanh: return atanhf(x);
    case UnaryKind::kCeil: return ceilf(x);
    case UnaryKind::kFloor: return floorf(x);
    case UnaryKind::kErf: return erff(x);
    case UnaryKind::kSign: return x != x ? x : float((x > 0) - (x < 0));
    case UnaryKind::kRound: return rintf(x);
    case UnaryKind::kNot:
    case UnaryKind::kIsInf:
    case UnaryKind::kIsNan: break;
  }
  return x;
}

template <typename T>
__global__ void apply_unary(UnaryKind kind, const T* x, T* y, int64_t count) {
  wait_for_earlier_kernels();
  for (int64_t i = first_item(); i < count; i += item_step()) {
    y[i] = from_float<T>(unary(kind, to_float(x[i])));
  }
}

/// Four bytes a thread, the table in shared memory.
__global__ void lookup_words(const uint8_t* table, const uint32_t* x, uint32_t* y, int64_t words,
                             const uint8_t* x_rest, uint8_t* y_rest, int rest) {
  wait_for_earlier_kernels();
  __shared__ uint8_t s_table[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) s_table[i] = table[i];
  __syncthreads();
  for (int64_t i = first_item(); i < words; i += item_step()) {
    const uint32_t q = x[i];
    y[i] = uint32_t{s_table[q & 0xff]} | uint32_t{s_table[q >> 8 & 0xff]} << 8 |
           uint32_t{s_table[q >> 16 & 0xff]} << 16 | uint32_t{s_table[q >> 24]} << 24;
  }
  if (blockIdx.x == 0 && threadIdx.x < rest) y_rest[threadIdx.x] = s_table[x_rest[threadIdx.x]];
}

}  // namespace

void launch_eltwise_bytes(const EltwiseBytes& step, const Walk& walk, const void* a, const void* b,
                          void* y, void* stream) {
  constexpr int64_t kPiece = 16;
  const int64_t pieces = walk.dense ? walk.count / kPiece : 0;
  if (pieces > 0) {
    start_kernel(eltwise_bytes_dense, {blocks_for(pieces), kBlock, 0, stream_of(stream)}, step,
                 static_cast<const uint4*>(a), static_cast<const uint4*>(b), static_cast<uint4*>(y),
                 pieces);
  }
  const int64_t done = pieces * kPiece;
  if (done == walk.count) return;
  Walk rest = walk;
  rest.count -= done;
  if (done > 0) rest.rank = 1;  // dense
  start_kernel(eltwise_bytes, {blocks_for(rest.count), kBlock, 0, stream_of(stream)}, step, rest,
               static_cast<const char*>(a) + done, static_cast<const char*>(b) + done,
               static_cast<uint8_t*>(y) + done);
}

void launch_eltwise_floats(const EltwiseFloats& step, const Walk& walk, Real type, const void* a,
                           const void* b, void* y, void* stream) {
  by_real(type, [&](auto real) {
    using T = decltype(real);
    const auto kernel = walk.dense ? eltwise_floats<true, T> : eltwise_floats<false, T>;
    start_kernel(kernel, {blocks_for(walk.count), kBlock, 0, stream_of(stream)}, step, walk,
                 static_cast<const T*>(a), static_cast<const T*>(b), static_cast<T*>(y));
  });
}

void launch_activation(int kind, float alpha, float beta, Real type, const void* x, void* y,
                       int64_t count, void* stream) {
  by_real(type, [&](auto real) {
    using T = decltype(real);
    start_kernel(activate_floats<T>, {blocks_for(count), kBlock, 0, stream_of(stream)},
                 static_cast<ActivationKind>(kind), alpha, beta, static_cast<const T*>(x),
                 static_cast<T*>(y), count);
  });
}

void launch_unary(int kind, Real type, const void* x, void* y, int64_t count, void* stream) {
  by_real(type, [&](auto real) {
    using T = decltype(real);
    start_kernel(apply_unary<T>, {blocks_for(count), kBlock, 0, stream_of(stream)},
                 static_cast<UnaryKind>(kind), static_cast<const T*>(x), static_cast<T*>(y), count);
  });
}

void launch_lookup(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t count,
                   void* stream) {
  const int64_t words = count / 4;
  start_kernel(lookup_words, {blocks_for(words), kBlock, 0, stream_of(stream)}, table,
               reinterpret_cast<const uint32_t*>(x), reinterpret_cast<uint32_t*>(y), words,
               x + words * 4, y + words * 4, static_cast<int>(count - words * 4));
}

}  // namespace octile::cuda
