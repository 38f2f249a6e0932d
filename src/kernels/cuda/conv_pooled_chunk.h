// Sixteen bytes of an image that a max pooling makes as they are read (cuda.wgmma.32x64.cluster).
#pragma once

#include "kernels/cuda/conv_params.h"

namespace octile::cuda {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

/// The largest of each byte of what is added. Bytes 1 and 3 of a word come out of halves as they
/// are, 0 and 2 of halves shifted up: what lies below them decides nothing but ties. (Maxima of
/// bytes are emulated, of halves an instruction.)
template <bool kUnsigned>
struct LargestBytes {
  uint4 odd, even;

  static __device__ __forceinline__ uint32_t larger(uint32_t a, uint32_t b) {
    uint32_t found;
    if constexpr (kUnsigned) {
      asm("max.u16x2 %0, %1, %2;" : "=r"(found) : "r"(a), "r"(b));
    } else {
      asm("max.s16x2 %0, %1, %2;" : "=r"(found) : "r"(a), "r"(b));
    }
    return found;
  }
  static __device__ __forceinline__ uint4 up(const uint4& v) {
    return make_uint4(v.x << 8, v.y << 8, v.z << 8, v.w << 8);
  }
  static __device__ __forceinline__ uint4 larger(const uint4& a, const uint4& b) {
    return make_uint4(larger(a.x, b.x), larger(a.y, b.y), larger(a.z, b.z), larger(a.w, b.w));
  }

  __device__ __forceinline__ explicit LargestBytes(const uint4& v) : odd(v), even(up(v)) {}
  __device__ __forceinline__ void add(const uint4& v) {
    odd = larger(odd, v), even = larger(even, up(v));
  }
  __device__ __forceinline__ uint4 value() const {
    const auto merged = [](uint32_t e, uint32_t o) { return __byte_perm(e, o, 0x7351); };
    return make_uint4(merged(even.x, odd.x), merged(even.y, odd.y), merged(even.z, odd.z),
                      merged(even.w, odd.w));
  }
};

/// Sixteen bytes of pixels that a pooling makes.
struct PooledChunk {
  const uint8_t* image;  // null: on the padding
  int top, left, c;      // of the window

  /// A tap beside the image is once more what another one is.
  __device__ __forceinline__ uint4 tap(const ConvParams& p, const ConvPool& pool, int kh,
                                       int kw) const {
    const int h = min(max(top + kh, 0), pool.h - 1), w = min(max(left + kw, 0), pool.w - 1);
    const uint8_t* source = image != nullptr ? image + (h * pool.w + w) * p.in_c + c : p.border;
    return *reinterpret_cast<const uint4*>(source);
  }

  /// The largest of its window, four of them on their way; the last perhaps twice.
  template <bool kUnsigned>
  __device__ __forceinline__ uint4 read(const ConvParams& p, const ConvPool& pool) const {
    LargestBytes<kUnsigned> largest(tap(p, pool, 0, 0));
    for (int kh = 0; kh < pool.kernel_h; kh += 2) {
      for (int kw = 0; kw < pool.kernel_w; kw += 2) {
        const int down = min(kh + 1, pool.kernel_h - 1), right = min(kw + 1, pool.kernel_w - 1);
        const uint4 taps[4] = {tap(p, pool, kh, kw), tap(p, pool, kh, right),
                               tap(p, pool, down, kw), tap(p, pool, down, right)};
#pragma unroll
        for (const uint4& v : taps) largest.add(v);
      }
    }
    return largest.value();
  }
};

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

}  // namespace octile::cuda
