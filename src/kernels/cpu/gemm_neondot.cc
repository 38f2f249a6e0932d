// NEON with dot products (Armv8.2): SDOT adds four s8 × s8 products in int32 and cannot saturate.
// 6 × 16 tiles: 24 sums, 4 vectors of weights and one of activations in 32 registers. Unsigned
// bytes come as x − 128.
#include "kernels/cpu/gemm_neon_leaf.h"

namespace octile {
namespace {

struct Dot {
  using Sum = int32x4_t;
  static Sum add(Sum sum, int8x16_t x, int8x16_t w) { return vdotq_s32(sum, x, w); }
  static int32x4_t total(Sum sum) { return sum; }
};

constexpr int kVectors = 4;
constexpr GemmFunction kTiles[] = {tiles<Dot, 1, kVectors>, tiles<Dot, 2, kVectors>,
                                   tiles<Dot, 3, kVectors>, tiles<Dot, 4, kVectors>,
                                   tiles<Dot, 5, kVectors>, tiles<Dot, 6, kVectors>};
constexpr GemmKernel kKernels[] = {
    {6,
     4 * kVectors,
     {{true, -128, kTiles, kTiles}, {false, 0, kTiles, kTiles}, {false, 0, kTiles, kTiles}}}};

}  // namespace

const GemmKernels kGemmNeonDot{kKernels, 1};

}  // namespace octile
