// The contract between the INT8 depthwise driver and its kernels. A leaf file includes this and
// intrinsics, nothing else.
//
// One call makes `kRows` adjacent output rows of some channels. The bytes of four input rows are
// interleaved once a column, so that a lane of vpdpbusd sums four taps of one channel:
//
//   input rows  h      a0 a1 a2 …                    column = [a0 b0 c0 d0 | a1 b1 c1 d1 | …]
//               h+1    b0 b1 b2 …   (channels 0 1 2)
//               h+2    c0 c1 c2 …   a 3×3 window of output row h   weighs it with [w0 w1 w2 0],
//               h+3    d0 d1 d2 …                    of row h+1                   [0 w0 w1 w2]
//
// Interleaved columns lie in scratch; every output pixel that covers one reads it there.
//
// A register has 128-bit parts of 16 channels. All parts may belong to one pixel, or (few channels)
// each to other output rows: a kernel of `lanes` lanes makes `lanes` independent sets of rows at
// once. Interleaving leaves register v = 0…3 with channels 4·v … 4·v + 3 of each part: that is the
// order of weights, biases and multipliers, and packing sums to bytes undoes it. `floats` and `any`
// take them straight: of all channels of all lanes in a row, register v has quarter v.
#pragma once

#include <cstdint>

namespace octile {

/// What is known of the activations: unsigned bytes, signed bytes, or signed bytes in [0, 127].
enum class DepthwiseInput { kUnsigned, kSigned, kSevenBit };
inline constexpr int kDepthwiseInputs = 3;

inline constexpr int kDepthwiseRows = 2;   // most output rows of one lane
inline constexpr int kDepthwiseLanes = 4;  // most lanes

struct DepthwiseBlock {
  // Input. A slot is one of the input rows that are interleaved, in fours.
  const uint8_t* const* rows;  // [slot][lane]: column 0 of this row
  int64_t channel;             // the first one, added to every pointer of rows, out and residual
  int64_t pixel;               // bytes from column to column
  int64_t width;               // columns; what lies outside is `padding`
  int64_t left;                // columns of padding before the first window
  uint8_t padding;
  // Window.
  int64_t groups;                    // of four slots
  int64_t kernel, stride, dilation;  // along the row
  int64_t out_rows;                  // of one lane, 1 or 2
  const int8_t* weights;             // [v][kernel][groups][out_rows][register]
  // Output.
  uint8_t* const* out;  // [out_rows][lane]: where column 0 goes; where rows are too many, the first
                        // entry again: kernels write that one last
  int64_t out_pixel;    // bytes from column to column
  int64_t out_width;    // columns
  // From sums to outputs; [v][register] each.
  const int32_t* bias;  // where the sums start
  const float* scale;
  const float* offset;  // `relu` alone: 2^23 · scale
  const float* addend;  // added after the multiply: a dynamic step's bias, else zeros or null
  bool floats;          // the output's type
  // 8-bit outputs: lo and hi are those of the clamp minus `zero`.
  float lo, hi;
  int32_t zero;
  // What `bytes` adds in int16, clamps to and flips, in unsigned bytes.
  int16_t plain_zero;
  uint8_t plain_lo, plain_hi, plain_flip;
  const uint8_t* const* residual;  // [out_rows][lane], or null: none
  bool residual_signed;
  int32_t residual_zero;
  float residual_multiplier;

  uint8_t* scratch;       // interleaved columns, 64-byte aligned
  int64_t block_columns;  // output columns whose input fits there
};

inline constexpr int32_t kReluStart = 0x4b000000;

using DepthwiseFunction = void (*)(const DepthwiseBlock&);

/// How a kernel treats one kind of input: `shift` is what it adds to every activation before
/// multiplying (the driver takes shift · Σw off the bias).
struct DepthwiseVariant {
  int32_t shift;
  /// 8-bit outputs without residual or addend, |sum · scale| < 2^31.
  DepthwiseFunction bytes;
  /// The same for |sum| < 2^23, plain_zero = plain_lo = plain_flip = 0, in fewer operations. Null
  /// where there is none. `bias` has kReluStart added: the sum's bits are then those of the float
  /// 2^23 + sum, for positive sums, and (2^23 + sum) · scale − 2^23 · scale in one fused operation
  /// is sum · scale with one rounding, as it must be. Negative sums become some negative value.
  DepthwiseFunction relu;
  DepthwiseFunction floats;  // float32 outputs without residual, an addend always
  DepthwiseFunction any;
};

struct DepthwiseKernel {
  int channels, lanes;
  DepthwiseVariant variants[kDepthwiseInputs];
  const DepthwiseVariant& of(DepthwiseInput input) const {
    return variants[static_cast<int>(input)];
  }
  /// Bytes of one register, and of an interleaved column of one group.
  int bytes() const { return channels * lanes; }
  int column_bytes() const { return 4 * bytes(); }
};

/// Kernels of one instruction set: the widest first, each later one half as wide.
struct DepthwiseKernels {
  const DepthwiseKernel* list;
  int count;
};

extern const DepthwiseKernels kDepthwiseKernelsAvx512Vnni, kDepthwiseKernelsAvxVnni,
    kDepthwiseKernelsAvx2, kDepthwiseKernelsNeonDot, kDepthwiseKernelsNeon;

}  // namespace octile
