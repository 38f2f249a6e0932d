// The contract between the INT8 convolution driver and its micro-kernels. A leaf file includes
// this and intrinsics, nothing else.
//
// One call makes `tiles` tiles of rows × n outputs, one below the other. A row is an output pixel
// (or a matrix row). Its k bytes are read in segments (a kernel row, a tap, the whole row), which
// lie at the same offsets from every row's first byte: images with borders are copied once, borders
// and all. Weights are packed as [segment][group of 4 values of k][nr][4].
//
// Chained kernels (AVX2) add the groups of each column tile in an order of its own, gemm_chains.h:
// weights and `steps` lie in that order.
//
//   x ─┬─ row_offset[0] ─ segment_offset[0 … segments) ─ groups × 4 bytes
//      ├─ row_offset[1] ─ …                                            and again at x + tile_step
#pragma once

#include <cstdint>

namespace octile {

/// What is known of the activations: unsigned bytes, signed bytes, or signed bytes in [0, 127].
enum class GemmInput { kUnsigned, kSigned, kSevenBit };
inline constexpr int kGemmInputs = 3;

/// Kinds of chains, in the order in which they are run: four, two or one group of bytes as they
/// are; two groups or one with the sign of x moved to the weight.
inline constexpr int kGemmChains = 5;

/// What all calls of one routine have in common.
struct GemmShape {
  int rows;                   // of a tile, 1 … mr
  const int64_t* row_offset;  // [rows], bytes from GemmCall::x
  int64_t tile_step;          // bytes of x from tile to tile
  int64_t segments;
  const int64_t* segment_offset;  // [segments], bytes
  int64_t groups;                 // of 4 bytes in a segment
  int64_t plane;                  // GemmVariant::planes: bytes from each plane to the next
  int n;                          // columns, 1 … nr
  bool floats;                    // outputs: float32, else bytes
  int64_t out_stride;             // bytes from row to row, and from tile to tile rows × as many
  int64_t table_stride;           // elements of bias and scale from row to row; 0: one for all rows
  bool addend;                    // floats: values added after the multiply
  bool residual, residual_signed;
  int64_t residual_stride;
  int32_t residual_zero;
  float residual_multiplier;
  float lo, hi;          // floats: the clamp; bytes: lo − z and hi − z
  int32_t zero;          // z of bytes
  bool output_signed;    // of bytes
  int32_t q_lo, q_hi;    // bytes: lo and hi
  bool may_leave_int32;  // v of docs/arithmetic.md may be beyond ±2^31, unless it is clamped first
};

struct GemmCall {
  const uint8_t* x;
  int64_t tiles;
  const int8_t* weights;    // of these columns
  const int32_t* steps;     // chained kernels: where each group lies behind a row's first byte
  const int32_t* chains;    // likewise: [kGemmChains] how many there are of each kind
  const int32_t* bias;      // nr values: where the sums start
  const float* scale;       // nr multipliers
  const float* addend;      // n values, or null
  uint8_t* out;             // the first row's first column
  const uint8_t* residual;  // likewise, or null
};

using GemmFunction = void (*)(const GemmShape&, const GemmCall&);

/// How one kernel treats one kind of input.
struct GemmVariant {
  bool flip;  // the driver hands over x + 128 (for signed bytes) or x − 128 (for unsigned ones)
  int32_t shift;  // what the kernel reads is x + shift: the driver takes shift · Σw off the bias
  const GemmFunction *bytes, *floats;  // [mr]: for tiles of 1 … mr rows; null when generated
  bool chained = false;
  bool planes = false;  // x + shift, then x + shift − 128, then the magnitude of that
};

struct GemmKernel {
  int mr, nr;
  GemmVariant variants[kGemmInputs];
  const GemmVariant& of(GemmInput input) const { return variants[static_cast<int>(input)]; }
};

/// Kernels of one instruction set, widest first. `choose` tells the best for products of rows × k
/// with k × n; null: the one that wastes the fewest columns.
struct GemmKernels {
  const GemmKernel* list;
  int count;
  int (*choose)(int64_t rows, int64_t k, int64_t n) = nullptr;
};

/// kGemmAvx2 is chained; kGemmAvx2Unproved takes any right operand without −128.
extern const GemmKernels kGemmAvxVnni, kGemmAvx2Unproved, kGemmAvx2, kGemmNeonDot, kGemmNeon;

}  // namespace octile
