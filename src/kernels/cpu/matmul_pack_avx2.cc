// Packing with AVX2: every x86 row of run-time products uses it (a shuffle a byte moved is little
// beside the products, and wider registers shuffle no more a cycle).
#include <immintrin.h>

#include "kernels/cpu/matmul_pack_kernel.h"

namespace octile {
namespace {

/// Sums of 4 neighbouring bytes, added to `sums`.
inline __m256i add_groups(__m256i sums, __m256i bytes) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

// --- rows of k, columns side by side ---

/// One group of 32 columns from 4 rows a, b, c, d:
///   ab = a0 b0 a1 b1 …, cd likewise; words of both interleaved: a0 b0 c0 d0 a1 b1 c1 d1 …
/// Unpacking works in 128-bit halves, so quarter i holds columns 4i … and 16 + 4i …
inline void interleave(const __m256i (&row)[4], __m256i (&out)[4]) {
  const __m256i ab_lo = _mm256_unpacklo_epi8(row[0], row[1]);
  const __m256i ab_hi = _mm256_unpackhi_epi8(row[0], row[1]);
  const __m256i cd_lo = _mm256_unpacklo_epi8(row[2], row[3]);
  const __m256i cd_hi = _mm256_unpackhi_epi8(row[2], row[3]);
  const __m256i quarter[4] = {
      _mm256_unpacklo_epi16(ab_lo, cd_lo), _mm256_unpackhi_epi16(ab_lo, cd_lo),
      _mm256_unpacklo_epi16(ab_hi, cd_hi), _mm256_unpackhi_epi16(ab_hi, cd_hi)};
  out[0] = _mm256_permute2x128_si256(quarter[0], quarter[1], 0x20);
  out[1] = _mm256_permute2x128_si256(quarter[2], quarter[3], 0x20);
  out[2] = _mm256_permute2x128_si256(quarter[0], quarter[1], 0x31);
  out[3] = _mm256_permute2x128_si256(quarter[2], quarter[3], 0x31);
}

/// Up to 32 bytes, the rest zeros.
inline __m256i load_some(const int8_t* from, int64_t count) {
  if (count >= 32) return load(from);
  alignas(32) int8_t bytes[32] = {};
  __builtin_memcpy(bytes, from, static_cast<size_t>(count));
  return load(bytes);
}

inline void store_some(void* to, __m256i v, int64_t bytes) {
  if (bytes >= 32) return store(to, v);
  alignas(32) int8_t kept[32];
  store(kept, v);
  if (bytes > 0) __builtin_memcpy(to, kept, static_cast<size_t>(bytes));
}

/// `columns` ≤ 32 from `first` on.
void pack_columns(const MatmulPacking& p, int64_t first, int64_t columns) {
  __m256i sums[4] = {};
  int8_t* out = p.out + first * 4;
  for (int64_t k = 0; k < p.k; k += 4, out += p.nr * 4) {
    __m256i row[4], group[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const bool inside = k + i < p.k;
      row[i] =
          inside ? load_some(p.b + (k + i) * p.stride + first, columns) : _mm256_setzero_si256();
    }
    interleave(row, group);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      store_some(out + 32 * i, group[i], columns * 4 - 32 * i);
      sums[i] = add_groups(sums[i], group[i]);
    }
  }
  for (int i = 0; i < 4; ++i) store_some(p.sums + first + 8 * i, sums[i], columns * 4 - 32 * i);
}

void columns_side_by_side(const MatmulPacking& p) {
  for (int64_t c = 0; c < p.columns; c += 32) {
    pack_columns(p, c, p.columns - c < 32 ? p.columns - c : 32);
  }
}

// --- columns of k, each side by side ---

/// 8 columns × 8 groups, transposed as 32-bit units: row i of the result is group i of 8 columns.
inline void transpose(const __m256i (&in)[8], __m256i (&out)[8]) {
  __m256i pair[8], four[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    pair[2 * i] = _mm256_unpacklo_epi32(in[2 * i], in[2 * i + 1]);
    pair[2 * i + 1] = _mm256_unpackhi_epi32(in[2 * i], in[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    four[i] = _mm256_unpacklo_epi64(pair[i], pair[i + 2]);
    four[i + 1] = _mm256_unpackhi_epi64(pair[i], pair[i + 2]);
    four[i + 2] = _mm256_unpacklo_epi64(pair[i + 1], pair[i + 3]);
    four[i + 3] = _mm256_unpackhi_epi64(pair[i + 1], pair[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    out[i] = _mm256_permute2x128_si256(four[i], four[i + 4], 0x20);
    out[i + 4] = _mm256_permute2x128_si256(four[i], four[i + 4], 0x31);
  }
}

void k_side_by_side(const MatmulPacking& p) {
  for (int64_t c = 0; c < p.columns; c += 8) {
    const int64_t columns = p.columns - c < 8 ? p.columns - c : 8;
    __m256i sums = _mm256_setzero_si256();
    for (int64_t k = 0; k < p.k; k += 32) {
      __m256i column[8], group[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        column[i] =
            i < columns ? load_some(p.b + (c + i) * p.stride + k, p.k - k) : _mm256_setzero_si256();
      }
      transpose(column, group);
      const int64_t groups = p.k - k < 32 ? (p.k - k + 3) / 4 : 8;
      int8_t* out = p.out + (k / 4 * p.nr + c) * 4;
      for (int64_t g = 0; g < groups; ++g) {
        store_some(out + g * p.nr * 4, group[g], columns * 4);
        sums = add_groups(sums, group[g]);
      }
    }
    store_some(p.sums + c, sums, columns * 4);
  }
}

void flip(const uint8_t* x, int64_t count, uint8_t* y) {
  const __m256i sign = _mm256_set1_epi8(-128);
  int64_t i = 0;
  for (; i + 32 <= count; i += 32) store(y + i, _mm256_xor_si256(load(x + i), sign));
  for (; i < count; ++i) y[i] = static_cast<uint8_t>(x[i] ^ 0x80);
}

}  // namespace

const MatmulPack kMatmulPackAvx2{columns_side_by_side, k_side_by_side, flip};

}  // namespace octile
