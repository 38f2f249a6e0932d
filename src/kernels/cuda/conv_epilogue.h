// What follows the sum, on 16 neighbouring channels of one output row in a lane's registers
// (docs/arithmetic.md, "A weighted step"): bias, multiplier, residual, clamp, and the widest stores
// that the channel count allows. No shared memory: the weights' column order (conv_params.h) gives
// each lane whole 16-byte vectors.
#pragma once

#include "arithmetic/quantize.h"
#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/device/convert.h"
#include "kernels/cuda/device/real.h"

namespace octile::cuda {

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

/// Four half outputs, of which `count` exist.
__device__ __forceinline__ void store_halves(__half* target, const float (&v)[4], int count) {
  if (count >= 4 && (reinterpret_cast<uintptr_t>(target) & 7) == 0) {
    const auto bits = [&](int i) {
      return static_cast<uint32_t>(__half_as_ushort(saturated_half(v[i])));
    };
    *reinterpret_cast<uint2*>(target) =
        make_uint2(bits(0) | bits(1) << 16, bits(2) | bits(3) << 16);
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i < count) target[i] = saturated_half(v[i]);
  }
}

/// Four float or half outputs from element `offset` on, of which `count` exist (it may be
/// negative), clamped.
__device__ __forceinline__ void store_floats(const ConvTail& tail, uint64_t offset, float (&v)[4],
                                             int count) {
#pragma unroll
  for (float& value : v) value = clamp_value(value, tail.lo, tail.hi);
  if (tail.y_type == ConvType::kHalf) {
    return store_halves(static_cast<__half*>(tail.y) + offset, v, count);
  }
  float* target = static_cast<float*>(tail.y) + offset;
  if (count >= 4 && (reinterpret_cast<uintptr_t>(target) & 15) == 0) {
    *reinterpret_cast<float4*>(target) = make_float4(v[0], v[1], v[2], v[3]);
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i < count) target[i] = v[i];
  }
}

/// How outputs are made; chosen once a tile, the same for all threads.
enum class Finish : uint8_t {
  kSaturateS8,  // no zero point, and no clamp but the type's own
  kSaturateU8,
  kClamp,
  kFloat,  // or half
};

__device__ __forceinline__ Finish finish_of(const ConvTail& tail) {
  if (is_real(tail.y_type)) return Finish::kFloat;
  if (tail.saturating == 0) return Finish::kClamp;
  return tail.y_type == ConvType::kU8 ? Finish::kSaturateU8 : Finish::kSaturateS8;
}

/// (sum + bias) · multiplier: int32 to float, then one multiplication.
__device__ __forceinline__ float scaled(int32_t sum, int32_t bias, float multiplier) {
  return __fmul_rn(__int2float_rn(sum + bias), multiplier);
}

/// Four results of 8 bits: v in units of the output scale.
template <Finish kFinish>
__device__ __forceinline__ uint32_t pack_results(const ConvTail& tail, const float (&v)[4]) {
  constexpr bool kClamps = kFinish == Finish::kClamp;
  int32_t q[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    q[i] = kClamps ? tail.y_zero_point + __float2int_rn(fminf(fmaxf(v[i], tail.lo), tail.hi))
                   : __float2int_rn(v[i]);
  }
  if constexpr (kClamps) return pack_low_bytes(q[0], q[1], q[2], q[3]);
  return pack_saturated<kFinish == Finish::kSaturateU8>(q[0], q[1], q[2], q[3]);
}

__device__ __forceinline__ void add_residual(const ConvTail& tail, uint32_t word, float (&v)[4]) {
  const uint32_t bytes = word ^ tail.residual_flip;
  const float m = tail.residual_multiplier, z = tail.residual_offset;
  v[0] = __fadd_rn(v[0], __fmul_rn(byte_minus<0>(bytes, z), m));
  v[1] = __fadd_rn(v[1], __fmul_rn(byte_minus<1>(bytes, z), m));
  v[2] = __fadd_rn(v[2], __fmul_rn(byte_minus<2>(bytes, z), m));
  v[3] = __fadd_rn(v[3], __fmul_rn(byte_minus<3>(bytes, z), m));
}

/// Bias and multipliers as they lie in the packed bytes.
struct PackedColumns {
  const int4* bias;
  const float4* multiplier;
  __device__ __forceinline__ PackedColumns(const ConvTail& tail, int channel)
      : bias(reinterpret_cast<const int4*>(tail.bias + channel)),
        multiplier(reinterpret_cast<const float4*>(tail.multiplier + channel)) {}
  __device__ __forceinline__ int4 bias_of(int four) const { return __ldg(bias + four); }
  __device__ __forceinline__ float4 multiplier_of(int four) const {
    return __ldg(multiplier + four);
  }
};

/// The largest of two pixels' sums of a lane and two of the lane 4 beside it: of `near` where the
/// lane is even, of `far` where it is odd.
__device__ __forceinline__ int32_t largest_with_neighbour(int32_t near, int32_t far, bool odd) {
  const int32_t other = __shfl_xor_sync(0xffffffffu, odd ? near : far, 4);
  return max(odd ? far : near, other);
}

/// Which row a lane's line is: two lines `step` apart in every 64 rows.
__device__ __forceinline__ int row_of_line(int row, int line, int step) {
  return row + line % 2 * step + line / 2 * 64;
}

__device__ __forceinline__ uint64_t offset_of(const ConvTail& tail, int row, int channel) {
  return static_cast<uint64_t>(static_cast<uint32_t>(row)) * static_cast<uint32_t>(tail.out_c) +
         static_cast<uint32_t>(channel);
}

/// The residual of channels [channel, channel + 16) of kLines rows, as far as they exist: rows
/// below `rows`. kWide: out_c is a multiple of 16.
template <bool kWide, int kLines>
__device__ __forceinline__ void load_residual(const ConvTail& tail, int row, int step, int rows,
                                              int channel, uint4 (&residual)[kLines]) {
  if (channel >= tail.out_c) return;
#pragma unroll
  for (int l = 0; l < kLines; ++l) {
    const int at = row_of_line(row, l, step);
    if (at >= rows) continue;
    residual[l] = load_bytes(tail.residual + offset_of(tail, at, channel),
                             min(16, tail.out_c - channel), kWide ? 16 : tail.store_bytes);
  }
}

/// Finishes channels [channel, channel + kChannels) of kLines rows (row_of_line), as far as they
/// exist: rows below `rows`. sums(line, i): the sum of channel + i; columns: their bias and
/// multipliers, by fours. REQUIRES: tail.store_bytes ≤ kChannels; kWide: out_c is a multiple of 16.
template <Finish kFinish, bool kResidual, int kLines, int kChannels, bool kWide, class Columns,
          class Sums>
__device__ __forceinline__ void finish_lines(const ConvTail& tail, int row, int step, int rows,
                                             int channel, const Columns& columns,
                                             const uint4 (&residual)[kLines], Sums&& sums) {
  if (channel >= tail.out_c) return;
  const int count = kWide ? kChannels : min(kChannels, tail.out_c - channel);
  uint32_t words[kLines][4];
#pragma unroll
  for (int i = 0; i < kChannels / 4; ++i) {
    const int4 bias = columns.bias_of(i);
    const float4 scale = columns.multiplier_of(i);
#pragma unroll
    for (int l = 0; l < kLines; ++l) {
      float v[4] = {
          scaled(sums(l, 4 * i), bias.x, scale.x), scaled(sums(l, 4 * i + 1), bias.y, scale.y),
          scaled(sums(l, 4 * i + 2), bias.z, scale.z), scaled(sums(l, 4 * i + 3), bias.w, scale.w)};
      if constexpr (kFinish == Finish::kFloat) {
        const int at = row_of_line(row, l, step);
        if (at < rows) {
          store_floats(tail, offset_of(tail, at, channel + 4 * i), v, count - 4 * i);
        }
      } else {
        if constexpr (kResidual) add_residual(tail, (&residual[l].x)[i], v);
        words[l][i] = pack_results<kFinish>(tail, v);
      }
    }
  }
  if constexpr (kFinish != Finish::kFloat) {
#pragma unroll
    for (int l = 0; l < kLines; ++l) {
      const int at = row_of_line(row, l, step);
      if (at >= rows) continue;
      store_bytes(static_cast<uint8_t*>(tail.y) + offset_of(tail, at, channel), words[l], count,
                  kWide ? 16 : tail.store_bytes);
    }
  }
}

/// The same with everything read when it is needed.
template <Finish kFinish, bool kResidual, int kLines, int kChannels, class Sums>
__device__ __forceinline__ void finish_lines(const ConvTail& tail, int row, int step, int rows,
                                             int channel, Sums&& sums) {
  uint4 residual[kLines];
  if constexpr (kResidual) load_residual<false>(tail, row, step, rows, channel, residual);
  finish_lines<kFinish, kResidual, kLines, kChannels, false>(
      tail, row, step, rows, channel, PackedColumns(tail, channel), residual, sums);
}

/// One output of any kind, as docs/arithmetic.md reads; for kernels that are not about speed.
__device__ __forceinline__ void finish_one(const ConvTail& tail, int32_t sum, int row,
                                           int channel) {
  const int64_t offset = static_cast<int64_t>(row) * tail.out_c + channel;
  float v = __fmul_rn(__int2float_rn(sum + tail.bias[channel]), tail.multiplier[channel]);
  if (is_real(tail.y_type)) {
    store_real(tail.y, tail.y_type == ConvType::kHalf ? Real::kHalf : Real::kFloat, offset,
               clamp_value(v, tail.lo, tail.hi));
    return;
  }
  if (tail.residual != nullptr) {
    const uint32_t byte = (tail.residual[offset] ^ tail.residual_flip) & 255;
    v = __fadd_rn(v,
                  __fmul_rn(byte_minus<0>(byte, tail.residual_offset), tail.residual_multiplier));
  }
  const float clamped = fminf(fmaxf(v, tail.lo), tail.hi);
  static_cast<uint8_t*>(tail.y)[offset] =
      static_cast<uint8_t>(tail.y_zero_point + __float2int_rn(clamped));
}

/// Calls body<Finish, residual>() for what the tail says. Float outputs have no residual.
template <class Body>
__device__ __forceinline__ void by_finish(const ConvTail& tail, Body&& body) {
  const bool residual = tail.residual != nullptr;
  switch (finish_of(tail)) {
    case Finish::kSaturateS8:
      residual ? body.template operator()<Finish::kSaturateS8, true>()
               : body.template operator()<Finish::kSaturateS8, false>();
      break;
    case Finish::kSaturateU8:
      residual ? body.template operator()<Finish::kSaturateU8, true>()
               : body.template operator()<Finish::kSaturateU8, false>();
      break;
    case Finish::kClamp:
      residual ? body.template operator()<Finish::kClamp, true>()
               : body.template operator()<Finish::kClamp, false>();
      break;
    case Finish::kFloat: body.template operator()<Finish::kFloat, false>(); break;
  }
}

}  // namespace octile::cuda
