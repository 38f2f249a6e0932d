// INT8 depthwise tiles with AVX-512 VNNI: 64 channels of a pixel, or 32 on 256-bit registers where
// 64 would waste more. The bytes of four taps are interleaved, so that one lane of vpdpbusd sums
// four taps of one channel.
#include <immintrin.h>

#include "kernels/cpu/depthwise_ymm_leaf.h"
#include "kernels/cpu/store_zmm_leaf.h"

namespace octile {
namespace {

constexpr char kSignBit = static_cast<char>(0x80);

template <bool kFlip>
struct Ymm {
  static constexpr int32_t kShift = kFlip ? 128 : 0;
  using Operand = __m256i;
  static Operand prepare(__m256i x) {
    return kFlip ? _mm256_xor_si256(x, _mm256_set1_epi8(kSignBit)) : x;
  }
  static __m256i add(__m256i sum, Operand a, __m256i w) { return _mm256_dpbusd_epi32(sum, a, w); }
};

template <bool kFlip, bool kFloats>
void depthwise_wide(const GemmTile& t) {
  const __mmask64 mask = t.n >= 64 ? ~uint64_t{0} : (uint64_t{1} << t.n) - 1;
  const __m512i flip = _mm512_set1_epi8(kFlip ? kSignBit : 0);
  for (int r = 0; r < t.m; ++r) {
    __m512i acc[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                      _mm512_setzero_si512()};
    const int8_t* w = t.weights;
    for (int64_t s = 0; s < t.segments; s += 4, w += 256) {
      __m512i x[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const uint8_t* tap = t.rows[(s + i) * kDepthwiseRows + r] + t.row_offset;
        x[i] = _mm512_maskz_loadu_epi8(mask, tap);
        if (kFlip) x[i] = _mm512_xor_si512(x[i], flip);
      }
      const __m512i low01 = _mm512_unpacklo_epi8(x[0], x[1]);
      const __m512i high01 = _mm512_unpackhi_epi8(x[0], x[1]);
      const __m512i low23 = _mm512_unpacklo_epi8(x[2], x[3]);
      const __m512i high23 = _mm512_unpackhi_epi8(x[2], x[3]);
      const __m512i four[4] = {
          _mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
          _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)};
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        acc[v] = _mm512_dpbusd_epi32(acc[v], four[v], _mm512_loadu_si512(w + 64 * v));
      }
    }
    // Lane l of acc[v] holds channels 16·l + 4·v …: a 4 × 4 transposition of lanes.
    const __m512i a = _mm512_shuffle_i32x4(acc[0], acc[1], 0x44);
    const __m512i b = _mm512_shuffle_i32x4(acc[2], acc[3], 0x44);
    const __m512i c = _mm512_shuffle_i32x4(acc[0], acc[1], 0xee);
    const __m512i d = _mm512_shuffle_i32x4(acc[2], acc[3], 0xee);
    const __m512i sums[4] = {_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd),
                             _mm512_shuffle_i32x4(c, d, 0x88), _mm512_shuffle_i32x4(c, d, 0xdd)};
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const __m512i sum = _mm512_add_epi32(sums[v], _mm512_loadu_si512(t.bias[r] + 16 * v));
      kFloats ? store_floats(t, r, v, sum) : store_bytes(t, r, v, sum);
    }
  }
}

template <bool kFlip>
constexpr GemmVariant wide() {
  return {kFlip ? 128 : 0, depthwise_wide<kFlip, false>, depthwise_wide<kFlip, true>,
          depthwise_wide<kFlip, false>, depthwise_wide<kFlip, true>};
}

constexpr GemmKernel kList[] = {
    {kDepthwiseRows, 64, {wide<false>(), wide<true>(), wide<false>()}, true},
    {kDepthwiseRows,
     32,
     {depthwise_variant<Ymm<false>>(), depthwise_variant<Ymm<true>>(),
      depthwise_variant<Ymm<false>>()},
     true}};

}  // namespace

const GemmKernels kDepthwiseAvx512Vnni{kList, 2};

}  // namespace octile
