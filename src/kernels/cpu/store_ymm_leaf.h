// From sums to outputs: the epilogue of the 256-bit tiles. Leaf files alone include this.
//
// Four rows of eight sums go through two packs, which saturate: that is the clamp of 8-bit outputs,
// as long as the scaled values fit int32. Bounds inside the type's range follow on bytes.
//
//   int32   a0…a7, b0…b7, c0…c7, d0…d7
//   packs   a0-3 b0-3 c0-3 d0-3 │ a4-7 b4-7 c4-7 d4-7      bytes, by 128-bit halves
//   permute a0-7      b0-7      │ c0-7      d0-7
#pragma once

#include <immintrin.h>

#include "kernels/cpu/gemm_kernel.h"

namespace octile {
namespace {

/// Where a tile's outputs go, and what its rows are scaled by.
struct TileEnds {
  const int32_t* bias;
  const float* scale;
  const float* addend;
  uint8_t* out;
  const uint8_t* residual;
};

template <typename T>
inline T load_as(const uint8_t* p) {
  T value;
  __builtin_memcpy(&value, p, sizeof(T));
  return value;
}

template <typename T>
inline void store_as(uint8_t* p, uint64_t value) {
  const T low = static_cast<T>(value);
  __builtin_memcpy(p, &low, sizeof(T));
}

/// The first n bytes, 1 ≤ n < 8, without touching what lies behind them.
inline uint64_t load_bytes(const uint8_t* p, int n) {
  const auto at = [&](uint64_t value, int byte) { return value << (8 * byte); };
  if (n >= 4) return load_as<uint32_t>(p) | at(load_as<uint32_t>(p + n - 4), n - 4);
  if (n >= 2) return load_as<uint16_t>(p) | at(load_as<uint16_t>(p + n - 2), n - 2);
  return *p;
}

inline void store_bytes(uint8_t* p, uint64_t value, int n) {
  if (n >= 4) {
    store_as<uint32_t>(p, value);
    store_as<uint32_t>(p + n - 4, value >> (8 * (n - 4)));
  } else if (n >= 2) {
    store_as<uint16_t>(p, value);
    store_as<uint16_t>(p + n - 2, value >> (8 * (n - 2)));
  } else {
    *p = static_cast<uint8_t>(value);
  }
}

inline __m256 scaled(__m256i sum, const float* scale) {
  return _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_loadu_ps(scale));
}

inline __m256 residual_of(const GemmShape& s, const uint8_t* p, int n) {
  const __m128i q = n >= 8 ? _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))
                           : _mm_cvtsi64_si128(static_cast<long long>(load_bytes(p, n)));
  const __m256i wide = s.residual_signed ? _mm256_cvtepi8_epi32(q) : _mm256_cvtepu8_epi32(q);
  const __m256i value = _mm256_sub_epi32(wide, _mm256_set1_epi32(s.residual_zero));
  return _mm256_mul_ps(_mm256_cvtepi32_ps(value), _mm256_set1_ps(s.residual_multiplier));
}

/// Four rows of eight int32 to 32 bytes in order, clamped.
inline __m256i packed_rows(const GemmShape& s, const __m256i (&q)[4]) {
  const __m256i zero = _mm256_set1_epi16(static_cast<int16_t>(s.zero));
  const __m256i ab = _mm256_adds_epi16(_mm256_packs_epi32(q[0], q[1]), zero);
  const __m256i cd = _mm256_adds_epi16(_mm256_packs_epi32(q[2], q[3]), zero);
  const __m256i lo = _mm256_set1_epi8(static_cast<char>(s.q_lo));
  const __m256i hi = _mm256_set1_epi8(static_cast<char>(s.q_hi));
  const __m256i bytes = s.output_signed
                            ? _mm256_min_epi8(_mm256_max_epi8(_mm256_packs_epi16(ab, cd), lo), hi)
                            : _mm256_min_epu8(_mm256_max_epu8(_mm256_packus_epi16(ab, cd), lo), hi);
  return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/// Eight sums of row r in steps of the output, zero point aside. kPlain: no residual, and no scaled
/// sum leaves int32.
template <bool kPlain>
inline __m256i quantized(const GemmShape& s, const TileEnds& e, __m256i sum, int r, int v, int n) {
  __m256 y = scaled(sum, e.scale + r * s.table_stride + 8 * v);
  if (!kPlain) {
    if (s.residual) {
      y = _mm256_add_ps(y, residual_of(s, e.residual + r * s.residual_stride + 8 * v, n));
    }
    y = _mm256_min_ps(y, _mm256_set1_ps(s.hi));  // what is too low becomes INT_MIN: clamped as well
  }
  return _mm256_cvtps_epi32(y);
}

inline void store_row(uint8_t* to, __m128i rows, bool second, int n) {
  const auto bytes =
      static_cast<uint64_t>(second ? _mm_extract_epi64(rows, 1) : _mm_cvtsi128_si64(rows));
  n < 8 ? store_bytes(to, bytes, n) : static_cast<void>(__builtin_memcpy(to, &bytes, 8));
}

template <bool kPlain, int kRows, int kVectors>
[[gnu::always_inline]] inline void store_byte_rows(const GemmShape& s, const TileEnds& e,
                                                   const __m256i (&acc)[kRows][kVectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const int n = s.n - 8 * v;
    if (n <= 0) return;
#pragma GCC unroll 4
    for (int first = 0; first < kRows; first += 4) {
      __m256i q[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const int r = first + i;
        q[i] = r < kRows ? quantized<kPlain>(s, e, acc[r][v], r, v, n) : q[0];
      }
      const __m256i bytes = packed_rows(s, q);
      const __m128i half[2] = {_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)};
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        if (first + i < kRows) {
          store_row(e.out + (first + i) * s.out_stride + 8 * v, half[i / 2], i % 2 == 1, n);
        }
      }
    }
  }
}

template <int kRows, int kVectors>
[[gnu::always_inline]] inline void store_float_rows(const GemmShape& s, const TileEnds& e,
                                                    const __m256i (&acc)[kRows][kVectors]) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256 lo = _mm256_set1_ps(s.lo), hi = _mm256_set1_ps(s.hi);
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const int n = s.n - 8 * v;
    if (n <= 0) return;
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      __m256 y = scaled(acc[r][v], e.scale + r * s.table_stride + 8 * v);
      if (s.addend) y = _mm256_add_ps(y, _mm256_maskload_ps(e.addend + 8 * v, mask));
      y = _mm256_min_ps(_mm256_max_ps(y, lo), hi);
      auto* to = reinterpret_cast<float*>(e.out + r * s.out_stride) + 8 * v;
      if (n >= 8) {
        _mm256_storeu_ps(to, y);
      } else {
        _mm256_maskstore_ps(to, mask, y);
      }
    }
  }
}

}  // namespace
}  // namespace octile
