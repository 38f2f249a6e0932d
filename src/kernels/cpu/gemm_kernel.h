// The contract between the INT8 convolution driver and its micro-kernels. A leaf file includes
// this and intrinsics, nothing else.
//
// One call makes a tile of up to mr rows × nr columns. A row is an output pixel (or a matrix row):
// it is read through one pointer a segment, a segment being one tap of the window (or the whole
// row). Weights are packed as [segment][group of 4 values of k][nr][4].
//
// Depthwise kernels share the contract. A column is a channel and reads its own bytes alone, four
// taps in one step: segments come in fours (taps beyond the window meet zero weights), weights are
// [four taps][v = 0…3][nr/16][4 channels][4 taps], channel = 16·lane + 4·v + j: the order in which
// interleaving four taps' bytes leaves them in 128-bit lanes.
#pragma once

#include <cstdint>

namespace octile {

/// What is known of the activations: unsigned bytes, signed bytes, or signed bytes in [0, 127].
enum class GemmInput { kUnsigned, kSigned, kSevenBit };
inline constexpr int kGemmInputs = 3;

struct GemmTile {
  const uint8_t* const* rows;  // [segments][mr]; rows beyond m repeat a valid one
  int64_t row_offset;          // added to every row pointer (the group's first channel)
  int64_t segments, groups;    // groups of 4 bytes in a segment
  const int8_t* weights;       // of this column tile
  const int32_t* const* bias;  // [mr] → nr values each: where the sums start
  const float* const* scale;   // [mr] → nr multipliers each
  const float* addend;         // nr values added after the multiply (dynamic steps), or null
  int64_t m, n;                // valid rows and columns
  uint8_t* out;
  int64_t out_stride;       // bytes from row to row
  const uint8_t* residual;  // null: none
  int64_t residual_stride;
  bool residual_signed;
  int32_t residual_zero;
  float residual_multiplier;
  float lo, hi;  // 8-bit outputs: lo − z and hi − z
  int32_t zero;  // z of 8-bit outputs
};

using GemmFunction = void (*)(const GemmTile&);

/// How one kernel treats one kind of input: `shift` is what it adds to every activation before
/// multiplying (the driver takes shift · Σw off the bias).
struct GemmVariant {
  int32_t shift;
  GemmFunction bytes, floats;          // by output type
  GemmFunction one_bytes, one_floats;  // the same for a single row
};

struct GemmKernel {
  int mr, nr;
  GemmVariant variants[kGemmInputs];
  bool depthwise = false;
  const GemmVariant& of(GemmInput input) const { return variants[static_cast<int>(input)]; }
};

/// Kernels of one instruction set, widest first.
struct GemmKernels {
  const GemmKernel* list;
  int count;
};

extern const GemmKernels kGemmAvx512Vnni, kGemmAvxVnni, kGemmAvx2;
extern const GemmKernels kDepthwiseAvx512Vnni, kDepthwiseAvxVnni, kDepthwiseAvx2;

}  // namespace octile
