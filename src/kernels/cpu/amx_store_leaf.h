// From a block's sums to its outputs, two rows a slice: what follows the products of the AMX
// kernel. Leaf files alone include this.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/amx_kernel.h"

namespace octile {
namespace {

/// A block whose sums are made and whose outputs are not.
struct Pending {
  int32_t* sums = nullptr;  // [32][32]
  const AmxRowBlock* rows = nullptr;
  uint8_t* out = nullptr;  // of row offset 0, the block's first column
  const uint8_t* residual = nullptr;
  const float* addend = nullptr;
  __m512 scale[2];
  uint32_t columns = 0;      // a bit for each that exists
  int slices = 0, next = 0;  // of two rows: all, and the first that is not written
};

/// What all blocks of a job share.
struct Constants {
  __m512i zero, lo, hi, order;  // words; bytes; bytes
  __m512i residual_zero;
  __m512 residual_multiplier, float_lo, float_hi;
  bool add_zero, clamp;
};

template <AmxOutput kOutput>
inline Constants constants_of(const AmxJob& job) {
  Constants c;
  c.zero = _mm512_set1_epi16(static_cast<int16_t>(job.zero));
  c.lo = _mm512_set1_epi8(static_cast<int8_t>(job.q_lo));
  c.hi = _mm512_set1_epi8(static_cast<int8_t>(job.q_hi));
  c.order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  c.residual_zero = _mm512_set1_epi32(job.residual_zero);
  c.residual_multiplier = _mm512_set1_ps(job.residual_multiplier);
  c.float_lo = _mm512_set1_ps(job.lo);
  c.float_hi = _mm512_set1_ps(job.hi);
  c.add_zero = job.zero != 0;
  constexpr int32_t kLow = kOutput == AmxOutput::kSigned ? -128 : 0;
  c.clamp = job.q_lo > kLow || job.q_hi < kLow + 255;
  return c;
}

template <AmxResidual kResidual>
inline __m512 add_residual(__m512 y, const Constants& c, const uint8_t* r, __mmask16 mask) {
  const __m128i q = _mm_maskz_loadu_epi8(mask, r);
  const __m512i wide =
      kResidual == AmxResidual::kSigned ? _mm512_cvtepi8_epi32(q) : _mm512_cvtepu8_epi32(q);
  const __m512 value = _mm512_cvtepi32_ps(_mm512_sub_epi32(wide, c.residual_zero));
  return _mm512_add_ps(y, _mm512_mul_ps(value, c.residual_multiplier));
}

/// Two rows of 8-bit outputs. Saturating packs clamp to the type: the driver refuses what could
/// leave int32 when scaled. `order` undoes the packs' lanes: [row 0: 32 bytes][row 1: 32 bytes].
template <AmxOutput kOutput, AmxResidual kResidual>
inline void write_bytes(const Pending& p, const Constants& c, int slice) {
  const int32_t* sums = p.sums + 64 * slice;
  const int32_t* offset = p.rows->offset + 2 * slice;
  __m512 y[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    y[i] = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums + 16 * i)), p.scale[i & 1]);
  }
  if (kResidual != AmxResidual::kNone) {
    const auto low = static_cast<__mmask16>(p.columns),
               high = static_cast<__mmask16>(p.columns >> 16);
#pragma GCC unroll 2
    for (int r = 0; r < 2; ++r) {
      const uint8_t* from = p.residual + (offset[r] < 0 ? 0 : offset[r]);
      y[2 * r] = add_residual<kResidual>(y[2 * r], c, from, low);
      y[2 * r + 1] = add_residual<kResidual>(y[2 * r + 1], c, from + 16, high);
    }
  }
  __m512i first = _mm512_packs_epi32(_mm512_cvtps_epi32(y[0]), _mm512_cvtps_epi32(y[1]));
  __m512i second = _mm512_packs_epi32(_mm512_cvtps_epi32(y[2]), _mm512_cvtps_epi32(y[3]));
  if (c.add_zero) {
    first = _mm512_adds_epi16(first, c.zero);
    second = _mm512_adds_epi16(second, c.zero);
  }
  __m512i q;
  if (kOutput == AmxOutput::kSigned) {
    q = _mm512_packs_epi16(first, second);
    if (c.clamp) q = _mm512_min_epi8(_mm512_max_epi8(q, c.lo), c.hi);
  } else {
    q = _mm512_packus_epi16(first, second);
    if (c.clamp) q = _mm512_min_epu8(_mm512_max_epu8(q, c.lo), c.hi);
  }
  q = _mm512_permutexvar_epi32(c.order, q);
  if (p.columns == ~uint32_t{0}) {
    if (offset[0] >= 0) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p.out + offset[0]), _mm512_castsi512_si256(q));
    }
    if (offset[1] >= 0) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p.out + offset[1]),
                          _mm512_extracti64x4_epi64(q, 1));
    }
  } else {
    if (offset[0] >= 0) {
      _mm256_mask_storeu_epi8(p.out + offset[0], p.columns, _mm512_castsi512_si256(q));
    }
    if (offset[1] >= 0) {
      _mm256_mask_storeu_epi8(p.out + offset[1], p.columns, _mm512_extracti64x4_epi64(q, 1));
    }
  }
}

inline void write_floats(const Pending& p, const Constants& c, int slice) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const int32_t offset = p.rows->offset[2 * slice + i / 2];
    const auto mask = static_cast<__mmask16>(p.columns >> (16 * (i & 1)));
    const __m512i sums = _mm512_load_si512(p.sums + 64 * slice + 16 * i);
    __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), p.scale[i & 1]);
    if (p.addend != nullptr) y = _mm512_add_ps(y, _mm512_loadu_ps(p.addend + 16 * (i & 1)));
    y = _mm512_min_ps(_mm512_max_ps(y, c.float_lo), c.float_hi);
    if (offset < 0) continue;
    _mm512_mask_storeu_ps(p.out + 4 * int64_t{offset} + 64 * (i & 1), mask, y);
  }
}

template <AmxOutput kOutput, AmxResidual kResidual>
inline void write_slices(Pending& p, const Constants& c, int count) {
  const int end = p.next + count < p.slices ? p.next + count : p.slices;
  for (; p.next < end; ++p.next) {
    if constexpr (kOutput == AmxOutput::kFloat) {
      write_floats(p, c, p.next);
    } else {
      write_bytes<kOutput, kResidual>(p, c, p.next);
    }
  }
}

}  // namespace
}  // namespace octile
