// The contract of the leaf file that packs right operands of run-time products for the tiles of
// gemm_kernel.h: bytes of a matrix (k × columns) go to [group of 4 values of k][nr][4].
#pragma once

#include <cstdint>

namespace octile {

struct MatmulPacking {
  const int8_t* b;  // the first column's first byte
  int64_t stride;   // bytes between neighbours of the other axis than the contiguous one
  int64_t k, columns;
  int64_t nr;     // columns ≤ nr; the rest of them is not written
  int8_t* out;    // groups × nr × 4 bytes; the last group's missing bytes become 0
  int32_t* sums;  // [nr]: Σ over k of each column
};

struct MatmulPack {
  void (*columns_side_by_side)(const MatmulPacking& p);  // b[k · stride + column]
  void (*k_side_by_side)(const MatmulPacking& p);        // b[column · stride + k]
  /// y[i] = x[i] ^ 0x80: signed bytes + 128, unsigned ones − 128.
  void (*flip)(const uint8_t* x, int64_t count, uint8_t* y);
};

extern const MatmulPack kMatmulPackAvx2;

}  // namespace octile
