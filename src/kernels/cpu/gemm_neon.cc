// NEON without dot products: SMULL gives eight s8 × s8 products in int16 (at most 2^14), SADALP
// adds pairs of them to int32, so no sum can wrap. A column's four products end in two lanes, which
// are added at the end. 4 × 8 tiles: 16 vectors of half sums. Unsigned bytes come as x − 128.
#include "kernels/cpu/gemm_neon_leaf.h"

namespace octile {
namespace {

struct Widen {
  struct Sum {
    int32x4_t low, high;  // columns 0 0 1 1, columns 2 2 3 3
  };
  static Sum add(Sum sum, int8x16_t x, int8x16_t w) {
    return {vpadalq_s16(sum.low, vmull_s8(vget_low_s8(x), vget_low_s8(w))),
            vpadalq_s16(sum.high, vmull_high_s8(x, w))};
  }
  static int32x4_t total(Sum sum) { return vpaddq_s32(sum.low, sum.high); }
};

constexpr int kVectors = 2;
constexpr GemmFunction kTiles[] = {tiles<Widen, 1, kVectors>, tiles<Widen, 2, kVectors>,
                                   tiles<Widen, 3, kVectors>, tiles<Widen, 4, kVectors>};
constexpr GemmKernel kKernels[] = {
    {4,
     4 * kVectors,
     {{true, -128, kTiles, kTiles}, {false, 0, kTiles, kTiles}, {false, 0, kTiles, kTiles}}}};

}  // namespace

const GemmKernels kGemmNeon{kKernels, 1};

}  // namespace octile
