// Steps: units of work below the watershed. Typed, laid out, scaled; no trace of the network.
//
// Shapes are logical, in the order (N, C, H, W); Layout says how the bytes lie. Weight blobs are
// canonical: int8 or float [M][kh][kw][C/groups] ("OHWI"), whatever a kernel packs them into.
// Float data of a step are float32 or float16, all alike; blobs, scales and sums are float32 (the
// weights of float16 steps are numbers that float16 has, so that rows may keep them so).
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "octile/ops.h"

namespace octile {

/// kPlain: row-major over the logical shape. kChannelsLast: axis 1 is stored innermost (rank ≥ 3).
enum class Layout : uint8_t { kPlain, kChannelsLast };

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Everything that follows a step's sum. Float outputs are clamped to [lo, hi]; int8 outputs to
/// [q_lo, q_hi] (docs/arithmetic.md: ReLU and other clamps only move lo and hi).
struct Clamp {
  float lo = -kInfinity, hi = kInfinity;
  int32_t q_lo = -128, q_hi = 127;
  static constexpr auto fields() {
    return std::make_tuple(std::pair{"lo", &Clamp::lo}, std::pair{"hi", &Clamp::hi},
                           std::pair{"q_lo", &Clamp::q_lo}, std::pair{"q_hi", &Clamp::q_hi});
  }
  bool operator==(const Clamp&) const = default;
};

#define OCTILE_FIELD(Struct, name) \
  std::pair { #name, &Struct::name }

/// Convolution, and matrix product with constant right operand (`rows`: the input is a matrix of
/// (…, K) rows in kPlain layout; kernel 1×1). inputs: x, [residual], [scale (N), zero (N)] when
/// dynamic (only affine inputs have the zero). Types of x and y decide the arithmetic:
///   float → float: weights float, bias float. int8/uint8 → int8/uint8: weights int8, bias int32
///   (−z_x·Σw_q included), multiplier float (M). int8/uint8 → float: the same, multiplier = d.
///   dynamic: x int8 or uint8, y float: weights int8, bias float (M), multiplier = s_w (M);
///   y = float(Σ (x_q − z_n)·w_q) · float(double(s_n)·double(s_w)) + b, one (s, z) a sample.
/// Padding contributes z_x. The window is 2-d (1-d convolutions have kernel h = 1).
struct ConvStep {
  Window window;
  int64_t groups = 1, in_channels = 0, out_channels = 0;
  bool rows = false;
  bool residual = false;
  bool dynamic = false;
  int32_t weights = -1, bias = -1, multiplier = -1;  // blobs
  float residual_multiplier = 0.0f;
  Clamp clamp;
  static constexpr std::string_view kName = "Conv";
  static constexpr auto fields() {
    return std::make_tuple(
        OCTILE_FIELD(ConvStep, window), OCTILE_FIELD(ConvStep, groups),
        OCTILE_FIELD(ConvStep, in_channels), OCTILE_FIELD(ConvStep, out_channels),
        OCTILE_FIELD(ConvStep, rows), OCTILE_FIELD(ConvStep, residual),
        OCTILE_FIELD(ConvStep, dynamic), OCTILE_FIELD(ConvStep, weights),
        OCTILE_FIELD(ConvStep, bias), OCTILE_FIELD(ConvStep, multiplier),
        OCTILE_FIELD(ConvStep, residual_multiplier), OCTILE_FIELD(ConvStep, clamp));
  }
  bool operator==(const ConvStep&) const = default;
};

/// Float only. inputs: x. weights [C][kh][kw][M/groups], bias (M) or −1.
struct DeconvStep {
  Window window;
  int64_t groups = 1, in_channels = 0, out_channels = 0;
  std::vector<int64_t> output_padding;
  int32_t weights = -1, bias = -1;
  Clamp clamp;
  static constexpr std::string_view kName = "Deconv";
  static constexpr auto fields() {
    return std::make_tuple(
        OCTILE_FIELD(DeconvStep, window), OCTILE_FIELD(DeconvStep, groups),
        OCTILE_FIELD(DeconvStep, in_channels), OCTILE_FIELD(DeconvStep, out_channels),
        OCTILE_FIELD(DeconvStep, output_padding), OCTILE_FIELD(DeconvStep, weights),
        OCTILE_FIELD(DeconvStep, bias), OCTILE_FIELD(DeconvStep, clamp));
  }
  bool operator==(const DeconvStep&) const = default;
};

/// inputs: x (N, C, H, W). Max keeps type, scale and zero point; int8 average: int32 sum of
/// (x_q − z_x), then one multiply by average_multiplier(s_x, s_y, count) per count.
struct PoolStep {
  PoolingKind kind = PoolingKind::kMax;
  Window window;  // 2-d; empty kernel when global
  bool global = false;
  bool count_padding = false;
  static constexpr std::string_view kName = "Pool";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(PoolStep, kind), OCTILE_FIELD(PoolStep, window),
                           OCTILE_FIELD(PoolStep, global), OCTILE_FIELD(PoolStep, count_padding));
  }
  bool operator==(const PoolStep&) const = default;
};

/// inputs: a, b. Float: any kind, NumPy broadcasting, then the clamp. int8 (both operands int8 or
/// uint8, equal shapes and layouts, or b broadcast per channel / scalar): kAdd with
/// v = float(a_q − z_a)·m_a + float(b_q − z_b)·m_b, m = float(double(s)/double(s_y)); kMul with
/// v = float((a_q − z_a)(b_q − z_b))·m_a, m_a = float(double(s_a)·double(s_b)/double(s_y)).
struct EltwiseStep {
  ElementwiseKind kind = ElementwiseKind::kAdd;
  float m_a = 0.0f, m_b = 0.0f;
  Clamp clamp;
  static constexpr std::string_view kName = "Eltwise";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(EltwiseStep, kind), OCTILE_FIELD(EltwiseStep, m_a),
                           OCTILE_FIELD(EltwiseStep, m_b), OCTILE_FIELD(EltwiseStep, clamp));
  }
  bool operator==(const EltwiseStep&) const = default;
};

/// Float unary: inputs x → activate(op, x).
struct ActivationStep {
  Activation op;
  static constexpr std::string_view kName = "Activation";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(ActivationStep, op)); }
  bool operator==(const ActivationStep&) const = default;
};

/// 8-bit unary and requantization: y = table[byte of x], blob of 256 bytes.
struct LookupStep {
  int32_t table = -1;
  static constexpr std::string_view kName = "Lookup";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(LookupStep, table)); }
  bool operator==(const LookupStep&) const = default;
};

/// Float x → 8 bits with the output tensor's scale and zero point, clamped to [q_lo, q_hi].
/// dynamic: outputs q, scale (N) float, [zero (N) int32, affine only]; one range a sample:
/// symmetric s = max|x| / 127, affine as affine_params(min, max); an all-zero sample: s = 1, z = 0.
/// Input and output layouts may differ (the conversion is fused).
struct QuantizeStep {
  int32_t q_lo = -128, q_hi = 127;
  bool dynamic = false;
  static constexpr std::string_view kName = "Quantize";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(QuantizeStep, q_lo), OCTILE_FIELD(QuantizeStep, q_hi),
                           OCTILE_FIELD(QuantizeStep, dynamic));
  }
  bool operator==(const QuantizeStep&) const = default;
};

/// 8 bits → float; layouts may differ. dynamic: inputs q, scale (N), [zero (N)].
struct DequantizeStep {
  bool dynamic = false;
  static constexpr std::string_view kName = "Dequantize";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(DequantizeStep, dynamic)); }
  bool operator==(const DequantizeStep&) const = default;
};

/// Joins tensors of one type, layout, scale and zero point along a logical axis.
struct ConcatStep {
  int64_t axis = 1;
  static constexpr std::string_view kName = "Concat";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(ConcatStep, axis)); }
  bool operator==(const ConcatStep&) const = default;
};

/// Changes the layout, or float32 to float16 and back, or both. Other types stay.
struct ReorderStep {
  static constexpr std::string_view kName = "Reorder";
  static constexpr auto fields() { return std::make_tuple(); }
  bool operator==(const ReorderStep&) const = default;
};

/// The same bytes, shared in the arena: `op` is Identity, a reshape, or a transpose that moves the
/// channels of a kChannelsLast tensor to the end, where it becomes kPlain, or the other way.
struct ViewStep {
  Op op = Identity{};
  static constexpr std::string_view kName = "View";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(ViewStep, op)); }
  bool operator==(const ViewStep&) const = default;
};

/// inputs: x float, or 8 bits with table blob E (256 × int32, softmax_entry): p = E / ΣE. → float
struct SoftmaxStep {
  std::vector<int64_t> axes;
  int32_t table = -1;
  static constexpr std::string_view kName = "Softmax";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(SoftmaxStep, axes), OCTILE_FIELD(SoftmaxStep, table));
  }
  bool operator==(const SoftmaxStep&) const = default;
};

/// Product of two run-time operands, kPlain layout, batch axes broadcast. Float, or 8 bits with
/// multiplier m = float(double(s_a)·double(s_b)/double(s_y)) (y float: without / s_y). The right
/// 8-bit operand lies in [−127, 127].
struct MatMulStep {
  MatrixMultiply op;
  float multiplier = 0.0f;
  Clamp clamp;
  static constexpr std::string_view kName = "MatMul";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(MatMulStep, op), OCTILE_FIELD(MatMulStep, multiplier),
                           OCTILE_FIELD(MatMulStep, clamp));
  }
  bool operator==(const MatMulStep&) const = default;
};

/// Any other op, run by evaluate() on kPlain tensors.
struct GenericStep {
  Op op = Identity{};
  static constexpr std::string_view kName = "Generic";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(GenericStep, op)); }
  bool operator==(const GenericStep&) const = default;
};

/// Layer normalization over the innermost `axes` axes, kPlain, float. inputs: x →
/// (x − mean) / √(mean((x − mean)²) + epsilon) · scale + shift; blobs of one value an element of
/// those axes, or −1. What is summed in which order is the tactic's; the tolerance is float's.
struct NormalizeStep {
  int64_t axes = 1;
  float epsilon = 0.0f;
  int32_t scale = -1, shift = -1;
  static constexpr std::string_view kName = "Normalize";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(NormalizeStep, axes), OCTILE_FIELD(NormalizeStep, epsilon),
                           OCTILE_FIELD(NormalizeStep, scale), OCTILE_FIELD(NormalizeStep, shift));
  }
  bool operator==(const NormalizeStep&) const = default;
};

#undef OCTILE_FIELD

/// The order is part of the plan file's version: append only.
using Step = std::variant<ConvStep, DeconvStep, PoolStep, EltwiseStep, ActivationStep, LookupStep,
                          QuantizeStep, DequantizeStep, ConcatStep, ReorderStep, ViewStep,
                          SoftmaxStep, MatMulStep, GenericStep, NormalizeStep>;

inline std::string_view name_of(const Step& step) {
  return std::visit([](const auto& s) { return std::decay_t<decltype(s)>::kName; }, step);
}

}  // namespace octile
