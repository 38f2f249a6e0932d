// What follows the sum, on 16 neighbouring channels of one output row in a lane's registers
// (docs/arithmetic.md, "A weighted step"): bias, multiplier, residual, clamp, and the widest stores
// that the channel count allows. No shared memory: the weights' column order (conv_params.h) gives
// each lane whole 16-byte vectors.
#pragma once

#include "arithmetic/quantize.h"
#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/device/convert.h"

namespace octile::cuda {

/// Bias and multipliers of a lane's 16 channels, loaded once a tile.
struct ChannelTail {
  int32_t bias[16];
  float multiplier[16];

  __device__ __forceinline__ void load(const ConvTail& tail, int channel) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int4 b = __ldg(reinterpret_cast<const int4*>(tail.bias + channel) + i);
      const float4 m = __ldg(reinterpret_cast<const float4*>(tail.multiplier + channel) + i);
      bias[4 * i] = b.x, bias[4 * i + 1] = b.y, bias[4 * i + 2] = b.z, bias[4 * i + 3] = b.w;
      multiplier[4 * i] = m.x, multiplier[4 * i + 1] = m.y;
      multiplier[4 * i + 2] = m.z, multiplier[4 * i + 3] = m.w;
    }
  }
};

/// 16 bytes from `source`, of which the first `count` exist; `width`: what it is aligned to.
__device__ __forceinline__ uint4 load_bytes(const uint8_t* source, int count, int width) {
  uint32_t words[4] = {};
  if (width == 16) return *reinterpret_cast<const uint4*>(source);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (width >= 4) {
      if (4 * i < count) words[i] = *reinterpret_cast<const uint32_t*>(source + 4 * i);
    } else {
#pragma unroll
      for (int b = 0; b < 4; ++b) {
        if (4 * i + b < count) words[i] |= static_cast<uint32_t>(source[4 * i + b]) << (8 * b);
      }
    }
  }
  return make_uint4(words[0], words[1], words[2], words[3]);
}

__device__ __forceinline__ void store_bytes(uint8_t* target, const uint32_t (&words)[4], int count,
                                            int width) {
  if (width == 16) {
    *reinterpret_cast<uint4*>(target) = make_uint4(words[0], words[1], words[2], words[3]);
  } else if (width == 8) {
    *reinterpret_cast<uint2*>(target) = make_uint2(words[0], words[1]);
    if (count > 8) *reinterpret_cast<uint2*>(target + 8) = make_uint2(words[2], words[3]);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (width == 4) {
        if (4 * i < count) *reinterpret_cast<uint32_t*>(target + 4 * i) = words[i];
      } else {
#pragma unroll
        for (int b = 0; b < 4; ++b) {
          if (4 * i + b < count) target[4 * i + b] = static_cast<uint8_t>(words[i] >> (8 * b));
        }
      }
    }
  }
}

/// Float outputs; four at a time where rows are aligned to them.
__device__ __forceinline__ void store_floats(float* target, const float (&v)[16], int count) {
  const bool aligned = (reinterpret_cast<uintptr_t>(target) & 15) == 0;
#pragma unroll
  for (int i = 0; i < 16; i += 4) {
    if (aligned && i + 4 <= count) {
      *reinterpret_cast<float4*>(target + i) = make_float4(v[i], v[i + 1], v[i + 2], v[i + 3]);
    } else {
#pragma unroll
      for (int j = i; j < i + 4; ++j) {
        if (j < count) target[j] = v[j];
      }
    }
  }
}

/// Four results of 8 bits: v in units of the output scale.
__device__ __forceinline__ uint32_t pack_results(const ConvTail& tail, float a, float b, float c,
                                                 float d) {
  if (tail.saturating != 0) {  // no zero point, no clamp but the type's own
    const int32_t ia = __float2int_rn(a), ib = __float2int_rn(b), ic = __float2int_rn(c),
                  id = __float2int_rn(d);
    return tail.y_type == ConvType::kU8 ? pack_saturated<true>(ia, ib, ic, id)
                                        : pack_saturated<false>(ia, ib, ic, id);
  }
  const float lo = tail.lo, hi = tail.hi;
  const int32_t z = tail.y_zero_point;
  return pack_low_bytes(
      z + __float2int_rn(fminf(fmaxf(a, lo), hi)), z + __float2int_rn(fminf(fmaxf(b, lo), hi)),
      z + __float2int_rn(fminf(fmaxf(c, lo), hi)), z + __float2int_rn(fminf(fmaxf(d, lo), hi)));
}

/// Finishes channels [channel, channel + 16) of `row` (both within bounds as far as `count`).
__device__ __forceinline__ void finish_row(const ConvTail& tail, const ChannelTail& channels,
                                           const int32_t (&acc)[16], int row, int channel) {
  if (row >= tail.rows || channel >= tail.out_c) return;
  const int count = min(16, tail.out_c - channel);
  const int64_t offset = static_cast<int64_t>(row) * tail.out_c + channel;
  float v[16];
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    v[i] = __fmul_rn(__int2float_rn(acc[i] + channels.bias[i]), channels.multiplier[i]);
  }
  if (tail.y_type == ConvType::kFloat) {
#pragma unroll
    for (int i = 0; i < 16; ++i) v[i] = clamp_value(v[i], tail.lo, tail.hi);
    store_floats(static_cast<float*>(tail.y) + offset, v, count);
    return;
  }
  if (tail.residual != nullptr) {
    const uint4 r = load_bytes(tail.residual + offset, count, tail.store_bytes);
    const uint32_t words[4] = {r.x ^ tail.residual_flip, r.y ^ tail.residual_flip,
                               r.z ^ tail.residual_flip, r.w ^ tail.residual_flip};
    const float m = tail.residual_multiplier, z = tail.residual_offset;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      v[4 * i] = __fadd_rn(v[4 * i], __fmul_rn(byte_minus<0>(words[i], z), m));
      v[4 * i + 1] = __fadd_rn(v[4 * i + 1], __fmul_rn(byte_minus<1>(words[i], z), m));
      v[4 * i + 2] = __fadd_rn(v[4 * i + 2], __fmul_rn(byte_minus<2>(words[i], z), m));
      v[4 * i + 3] = __fadd_rn(v[4 * i + 3], __fmul_rn(byte_minus<3>(words[i], z), m));
    }
  }
  uint32_t words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    words[i] = pack_results(tail, v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]);
  }
  store_bytes(static_cast<uint8_t*>(tail.y) + offset, words, count, tail.store_bytes);
}

}  // namespace octile::cuda
