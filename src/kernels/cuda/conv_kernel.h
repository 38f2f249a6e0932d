// The contract of the INT8 convolution and matrix-product kernels for NVIDIA GPUs. Plain C++: the
// backend includes this, and nothing of CUDA. One table of rows; a row is one kernel with one tile.
//
// How a caller uses it: fill a ConvProblem; take the rows whose refuse() is empty (the table's
// order is the order of preference; timing them is better); pack once per weights, on the host, and
// copy the bytes to the device, 256-byte aligned; launch as often as wanted. Packed bytes depend on
// the problem's weights, channels, kernel and x zero point alone, never on batch, extents, or on
// what follows the sum. Launches only enqueue work: they neither allocate nor synchronize, and may
// be captured into a graph. All rows give the bits of docs/arithmetic.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

struct CUstream_st;

namespace octile::cuda {

using Stream = CUstream_st*;  // cudaStream_t

/// kHalf: outputs alone, float results rounded and saturated (docs/arithmetic.md).
enum class ConvType : uint8_t { kS8, kU8, kFloat, kHalf };
constexpr bool is_real(ConvType type) {
  return type == ConvType::kFloat || type == ConvType::kHalf;
}

/// One convolution, or a product of `batch` rows (all extents and the kernel 1). Tensors are dense
/// NHWC, (batch, h, w, c) without padding. x float: it is quantized with x_scale and x_zero_point
/// to x_stored first (the Quantize step in front is part of the kernel), and x may be NCHW.
struct ConvProblem {
  int64_t batch = 1;
  int32_t in_h = 1, in_w = 1, in_c = 1;
  int32_t out_h = 1, out_w = 1, out_c = 1;
  int32_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  int32_t dilation_h = 1, dilation_w = 1, pad_top = 0, pad_left = 0, groups = 1;

  ConvType x_type = ConvType::kS8;
  int32_t x_zero_point = 0;             // what padding contributes
  ConvType x_stored = ConvType::kS8;    // x float: the type and clamp it is quantized to
  int32_t x_q_lo = -128, x_q_hi = 127;  // x float
  float x_scale = 1.0f;                 // x float
  bool x_planar = false;                // x float: NCHW instead of NHWC

  ConvType y_type = ConvType::kS8;
  /// y goes through a max pooling of 2 × 2, its stride as well, without padding; out_h and out_w
  /// are what it reads. REQUIRES: multipliers of 0 or more.
  bool pools = false;
  int32_t y_zero_point = 0;
  int32_t q_lo = -128, q_hi = 127;  // 8-bit y: Clamp::q_lo, q_hi of plan/step.h
  float lo = -std::numeric_limits<float>::infinity();
  float hi = std::numeric_limits<float>::infinity();  // float and half y: Clamp::lo, hi

  bool residual = false;  // 8-bit y only; a tensor of y's shape
  ConvType residual_type = ConvType::kS8;
  int32_t residual_zero_point = 0;
  float residual_multiplier = 0.0f;
};

/// The canonical weights, on the host: [out_c][kernel_h][kernel_w][in_c / groups], bias
/// (−z_x·Σw included) and multiplier of each output channel.
struct ConvWeights {
  const int8_t* weights = nullptr;
  const int32_t* bias = nullptr;
  const float* multiplier = nullptr;
};

/// Device pointers. x, y, residual: aligned to 16 bytes at least. y may be the residual itself.
struct ConvOperands {
  const void* x = nullptr;
  const void* residual = nullptr;
  void* y = nullptr;
  const void* packed = nullptr;  // what pack() wrote, 256-byte aligned
  void* workspace = nullptr;     // workspace_bytes(), 256-byte aligned, contents arbitrary
  uint32_t* counters = nullptr;  // kConvCounters zeros; every launch leaves zeros
};

/// Counters of one execution context (work in two streams at once must not share them). Cleared
/// once, when the context is made.
inline constexpr size_t kConvCounters = 4096;

/// What rows ask of a device.
struct ConvDevice {
  int level = 0;  // compute capability, 10 · major + minor
  int multiprocessors = 1;
  int shared_bytes = 49152;  // a block's limit, opt-in
};

/// The current device; throws kUnsupported when there is none.
ConvDevice current_conv_device();

/// A row of the table: one kernel with one tile. `variant` is the row's own number, passed back.
struct ConvKernel {
  const char* name;
  int level;         // compute capability needed, 10 · major + minor
  bool exact_level;  // sm_90a: no later major version runs it
  int variant;
  /// Empty, or why this row cannot (or had better not) run the problem. Level is checked here too.
  std::string (*refuse)(const ConvKernel&, const ConvProblem&, const ConvDevice&);
  size_t (*packed_bytes)(const ConvKernel&, const ConvProblem&);
  void (*pack)(const ConvKernel&, const ConvProblem&, const ConvWeights&, uint8_t* packed);
  size_t (*workspace_bytes)(const ConvKernel&, const ConvProblem&, const ConvDevice&);
  /// REQUIRES: refuse() was empty. Throws kInternal, naming the row, when CUDA refuses the launch.
  void (*launch)(const ConvKernel&, const ConvProblem&, const ConvDevice&, const ConvOperands&,
                 Stream);
  /// Float x costs it no more than a Quantize step in front would.
  bool for_floats = false;
  bool pools = false;  // takes problems with a pooling
};

/// All rows, most wanted first.
std::span<const ConvKernel* const> conv_kernels();

}  // namespace octile::cuda
