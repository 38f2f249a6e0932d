// What the host calls: one function a kernel of the .cu files, which only enqueues work. Plain C++,
// so that the tactics are compiled by the host's compiler. Pointers are the device's; a stream is a
// cudaStream_t.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octile::cuda {

inline constexpr int kMostAxes = 8;

/// 8-bit data: how to read a byte, and the value that stands for zero.
struct ByteType {
  bool is_unsigned = false;
  int32_t zero_point = 0;
};

/// The type of a step's float data; all kernels compute in float32.
enum class Real : uint8_t { kFloat, kHalf };

// --- elementwise.cu ---

/// How one or two operands are walked while y is written front to back: y's extents in stored
/// order, adjacent axes merged; strides in elements, 0 where an operand broadcasts.
struct Walk {
  int rank = 0;
  int64_t count = 0;
  int64_t extent[kMostAxes] = {};
  int64_t stride[2][kMostAxes] = {};
  /// Every operand lies as y does.
  bool dense = false;
};

struct EltwiseBytes {
  bool multiply = false;  // else add
  float m_a = 0, m_b = 0;
  ByteType a, b;
  int32_t y_zero_point = 0, q_lo = 0, q_hi = 0;
};
void launch_eltwise_bytes(const EltwiseBytes& step, const Walk& walk, const void* a, const void* b,
                          void* y, void* stream);

struct EltwiseFloats {
  int kind = 0;  // ElementwiseKind, up to kMod
  float lo = 0, hi = 0;
};
void launch_eltwise_floats(const EltwiseFloats& step, const Walk& walk, Real type, const void* a,
                           const void* b, void* y, void* stream);

/// kind: ActivationKind. Float functions, a few units in the last place off.
void launch_activation(int kind, float alpha, float beta, Real type, const void* x, void* y,
                       int64_t count, void* stream);
/// kind: UnaryKind, those that map float to float.
void launch_unary(int kind, Real type, const void* x, void* y, int64_t count, void* stream);
void launch_lookup(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t count, void* stream);

// --- quantize.cu ---

/// A tensor as samples of (channels, pixels); `turn`: input and output differ in layout, and the
/// output is channels-last (to_last) or plain.
struct Sample {
  int64_t n = 1, c = 1, s = 1;
  bool turn = false, to_last = false;
};
struct QuantizeFixed {
  float scale = 1;
  int32_t zero_point = 0, q_lo = 0, q_hi = 0;
};
void launch_quantize(const QuantizeFixed& step, const Sample& sample, Real type, const void* x,
                     uint8_t* y, void* stream);
/// One range a sample: scales (n), and zeros (n) where affine. scratch: (n, 2) words.
void launch_quantize_dynamic(int32_t q_lo, int32_t q_hi, const Sample& sample, Real type,
                             const void* x, uint8_t* y, float* scales, int32_t* zeros,
                             void* scratch, void* stream);
/// scales null: the fixed one.
void launch_dequantize(float scale, ByteType type, const Sample& sample, const void* x,
                       const float* scales, const int32_t* zeros, Real y_type, void* y,
                       void* stream);
/// From one float type to the other.
void launch_cast(const Sample& sample, Real x_type, const void* x, void* y, void* stream);

// --- movement.cu ---

/// Runs of bytes from several inputs, side by side in each of `outer` rows of the output.
inline constexpr int kMostParts = 16;
struct Parts {
  int count = 0;
  int64_t outer = 0, stride = 0;  // bytes of one row of the output
  const void* from[kMostParts] = {};
  int64_t bytes[kMostParts] = {};   // of one row
  int64_t offset[kMostParts] = {};  // in the output's row
};
void launch_concat(const Parts& parts, void* y, void* stream);
/// Transposes (rows, columns) to (columns, rows), n times; size: bytes of an element.
void launch_transpose(int64_t n, int64_t rows, int64_t columns, int size, const void* x, void* y,
                      void* stream);
/// y[sample][i] = x[sample][from[i]], or the element at `constant` where from[i] < 0.
struct Gathered {
  int64_t samples = 1, in = 0, out = 0;  // elements a sample
  int size = 1;                          // bytes of an element
  uint64_t constant = 0;
};
void launch_gather(const Gathered& step, const int32_t* from, const void* x, void* y, void* stream);

// --- pool.cu ---

struct Pool2d {
  int32_t n, h, w, c, out_h, out_w;
  int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
};
void launch_max_pool_bytes(const Pool2d& p, bool is_unsigned, const void* x, void* y, void* stream);
void launch_max_pool_floats(const Pool2d& p, Real type, const void* x, void* y, void* stream);
/// multipliers (out_h, out_w): of the window's count.
void launch_average_pool_bytes(const Pool2d& p, ByteType x_type, ByteType y_type,
                               const float* multipliers, const void* x, void* y, void* stream);
/// counts (out_h, out_w).
void launch_average_pool_floats(const Pool2d& p, const float* counts, Real type, const void* x,
                                void* y, void* stream);

// --- softmax.cu ---

/// Groups of values that sum to 1: where each begins (kept axes) and how it goes on.
struct Groups {
  int kept_rank = 0, rank = 0;
  int64_t kept = 1, count = 1;  // groups, values of one
  int64_t kept_extent[kMostAxes] = {}, kept_stride[kMostAxes] = {};
  int64_t extent[kMostAxes] = {}, stride[kMostAxes] = {};
};
void launch_softmax_bytes(const Groups& groups, bool is_unsigned, const uint32_t* table,
                          const void* x, Real y_type, void* y, void* stream);
void launch_softmax_floats(const Groups& groups, Real type, const void* x, void* y, void* stream);
/// scale, shift (count) or null.
void launch_normalize(int64_t groups, int64_t count, float epsilon, const float* scale,
                      const float* shift, Real type, const void* x, void* y, void* stream);

// --- matmul.cu ---

/// Products of run-time matrices, batch axes broadcast: y (batch…, m, n).
struct Product {
  int64_t m = 0, n = 0, k = 0, batches = 1;
  int batch_rank = 0;
  int64_t batch_extent[kMostAxes] = {}, batch_stride[2][kMostAxes] = {};  // in elements
  int64_t row_a = 0, term_a = 0, column_b = 0, term_b = 0;
};
struct ProductBytes {
  ByteType a, b;
  bool float_out = false;
  Real y_type = Real::kFloat;  // of a float output
  float multiplier = 0;
  int32_t y_zero_point = 0, q_lo = 0, q_hi = 0;
  float lo = 0, hi = 0;
};
void launch_matmul_bytes(const Product& p, const ProductBytes& step, const void* a, const void* b,
                         void* y, void* stream);
void launch_matmul_floats(const Product& p, float lo, float hi, Real type, const void* a,
                          const void* b, void* y, void* stream);

// --- histogram.cu ---

void launch_range(const float* values, size_t count, void* range, void* stream);
void launch_bins(const float* values, size_t count, float prescale, float bins_per_unit, void* bins,
                 void* stream);

// --- window.cu ---

/// A convolution, NHWC; a product of rows has extents and kernel of 1.
struct Window2d {
  int32_t n, h, w, c, out_h, out_w, m;
  int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left, groups;
};
struct WindowBytes {
  ByteType x, residual;
  bool float_out = false, has_residual = false, dynamic = false;
  Real y_type = Real::kFloat;  // of a float output
  float residual_multiplier = 0;
  int32_t y_zero_point = 0, q_lo = 0, q_hi = 0;
  float lo = 0, hi = 0;
  int64_t images_per_sample = 1;  // dynamic: of rows
};
/// Weights as words of four channels: [taps][⌈c/groups/4⌉][m], zeros at the end. sums (m): Σ w.
struct WindowWeights {
  const uint32_t* words = nullptr;
  const int32_t* bias = nullptr;
  const float* bias_float = nullptr;  // dynamic
  const float* multiplier = nullptr;
  const int32_t* sums = nullptr;  // dynamic
};
void launch_window_bytes(const Window2d& g, const WindowBytes& step, const WindowWeights& weights,
                         const void* x, const void* residual, const float* scales,
                         const int32_t* zeros, void* y, void* stream);
/// What follows a dynamic sum that is in y already, as float(sum): (rows, m) in place, scales by
/// sample of `rows_per_sample` rows.
struct DynamicTail {
  int64_t rows = 0, rows_per_sample = 1;
  int32_t m = 0;
  float lo = 0, hi = 0;
  const float *multiplier = nullptr, *bias = nullptr;  // (m)
};
void launch_dynamic_tail(const DynamicTail& tail, const float* scales, float* y, void* stream);
/// weights [taps][c/groups][m], bias (m) or null, residual null or y's shape.
void launch_window_floats(const Window2d& g, float lo, float hi, const float* weights,
                          const float* bias, Real type, const void* x, const void* residual,
                          void* y, void* stream);
/// weights [c][kh][kw][m/groups].
void launch_transposed_window(const Window2d& g, float lo, float hi, const float* weights,
                              const float* bias, Real type, const void* x, void* y, void* stream);

}  // namespace octile::cuda
