// The vocabulary: every op as a plain struct of attributes, in one std::variant.
//
// Shapes are written in the order of ONNX and TensorRT: images are (N, C, H, W). Inputs are listed
// as "in: …"; an input in brackets is optional. Each struct names its fields once, in fields():
// that list serves equality, printing, hashing, JSON and the plan file.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "octile/tensor.h"
#include "octile/types.h"

namespace octile {

/// How padding and output extents are derived.
/// kExplicit: floor((in + before + after - dilated kernel) / stride) + 1. kCeil: the same with
/// ceil. kSameUpper / kSameLower: out = ceil(in / stride), the odd padding after / before (ONNX).
enum class PaddingMode : uint8_t { kExplicit, kCeil, kSameUpper, kSameLower };

/// Extents of a 1-d, 2-d or 3-d window; lists have one entry a spatial axis. An empty `stride`
/// or `dilation` means 1 everywhere, an empty padding 0.
struct Window {
  std::vector<int64_t> kernel, stride, dilation, pad_before, pad_after;
  PaddingMode mode = PaddingMode::kExplicit;
  static constexpr auto fields() {
    return std::make_tuple(
        std::pair{"kernel", &Window::kernel}, std::pair{"stride", &Window::stride},
        std::pair{"dilation", &Window::dilation}, std::pair{"pad_before", &Window::pad_before},
        std::pair{"pad_after", &Window::pad_after}, std::pair{"mode", &Window::mode});
  }
  bool operator==(const Window&) const = default;
};

#define OCTILE_FIELD(Struct, name) \
  std::pair { #name, &Struct::name }

/// in: x (N, C, spatial…), weights (M, C/groups, kernel…), [bias (M)] → (N, M, spatial'…)
/// All float32, or all int32: then the sum is an int32 one, modulo 2^32.
struct Convolution {
  Window window;
  int64_t groups = 1;
  static constexpr std::string_view kName = "Convolution";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Convolution, window), OCTILE_FIELD(Convolution, groups));
  }
  bool operator==(const Convolution&) const = default;
};

/// in: x (N, C, spatial…), weights (C, M/groups, kernel…), [bias (M)] → (N, M, spatial'…)
/// out = stride·(in − 1) + dilated kernel − pad_before − pad_after + output_padding.
struct Deconvolution {
  Window window;
  int64_t groups = 1;
  std::vector<int64_t> output_padding;
  static constexpr std::string_view kName = "Deconvolution";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Deconvolution, window), OCTILE_FIELD(Deconvolution, groups),
                           OCTILE_FIELD(Deconvolution, output_padding));
  }
  bool operator==(const Deconvolution&) const = default;
};

/// TensorRT's kinds, with its alpha and beta, then those ONNX adds.
/// relu: max(x,0) · sigmoid · tanh · leaky_relu: x<0 ? αx : x · elu: x<0 ? α(e^x−1) : x ·
/// selu: β(x<0 ? α(e^x−1) : x) · softsign: x/(1+|x|) · softplus: α·log(e^{βx}+1) ·
/// clip: min(max(x,α),β) · hard_sigmoid: min(max(αx+β,0),1) · scaled_tanh: α·tanh(βx) ·
/// thresholded_relu: x>α ? x : 0 · gelu_erf: x·Φ(x) · gelu_tanh · swish: x·sigmoid(αx) ·
/// hard_swish: x·min(max(x/6+1/2,0),1) · mish: x·tanh(log(1+e^x)) · affine: αx+β
enum class ActivationKind : uint8_t {
  kRelu,
  kSigmoid,
  kTanh,
  kLeakyRelu,
  kElu,
  kSelu,
  kSoftsign,
  kSoftplus,
  kClip,
  kHardSigmoid,
  kScaledTanh,
  kThresholdedRelu,
  kGeluErf,
  kGeluTanh,
  kSwish,
  kHardSwish,
  kMish,
  kAffine,
};
std::string_view name_of(ActivationKind kind);
/// in: x → the same shape
struct Activation {
  ActivationKind kind = ActivationKind::kRelu;
  float alpha = 0.0f, beta = 0.0f;
  static constexpr std::string_view kName = "Activation";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Activation, kind), OCTILE_FIELD(Activation, alpha),
                           OCTILE_FIELD(Activation, beta));
  }
  bool operator==(const Activation&) const = default;
};

enum class PoolingKind : uint8_t { kMax, kAverage };
/// in: x (N, C, spatial…) → (N, C, spatial'…). `global`: the window is the whole image.
/// count_padding: padded zeros count in the average's divisor (TensorRT's
/// average_count_excludes_padding = false).
struct Pooling {
  PoolingKind kind = PoolingKind::kMax;
  Window window;
  bool global = false;
  bool count_padding = false;
  static constexpr std::string_view kName = "Pooling";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Pooling, kind), OCTILE_FIELD(Pooling, window),
                           OCTILE_FIELD(Pooling, global), OCTILE_FIELD(Pooling, count_padding));
  }
  bool operator==(const Pooling&) const = default;
};

/// in: x, [scale], [shift], [power] → (x · scale + shift)^power. The three are constants of shape
/// () (uniform) or (C) along `axis` (per channel) or x's shape without batch (elementwise).
/// Batch normalization is the case scale = γ/√(σ²+ε), shift = β − μ·scale (Network::batch_norm).
struct Scale {
  int64_t axis = 1;
  bool has_scale = false, has_shift = false, has_power = false;
  static constexpr std::string_view kName = "Scale";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Scale, axis), OCTILE_FIELD(Scale, has_scale),
                           OCTILE_FIELD(Scale, has_shift), OCTILE_FIELD(Scale, has_power));
  }
  bool operator==(const Scale&) const = default;
};

enum class ElementwiseKind : uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMin,
  kMax,
  kPow,
  kFloorDiv,
  kMod,
  kEqual,
  kGreater,
  kLess,
  kAnd,
  kOr,
  kXor,
};
std::string_view name_of(ElementwiseKind kind);
/// in: a, b (broadcast like NumPy) → broadcast shape; comparisons and logic give bool
struct Elementwise {
  ElementwiseKind kind = ElementwiseKind::kAdd;
  static constexpr std::string_view kName = "Elementwise";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(Elementwise, kind)); }
  bool operator==(const Elementwise&) const = default;
};

enum class UnaryKind : uint8_t {
  kExp,
  kLog,
  kSqrt,
  kReciprocal,
  kAbs,
  kNeg,
  kSin,
  kCos,
  kTan,
  kSinh,
  kCosh,
  kAsin,
  kAcos,
  kAtan,
  kAsinh,
  kAcosh,
  kAtanh,
  kCeil,
  kFloor,
  kErf,
  kNot,
  kSign,
  kRound,
  kIsInf,
  kIsNan,
};
std::string_view name_of(UnaryKind kind);
/// in: x → the same shape. Round is half to even.
struct Unary {
  UnaryKind kind = UnaryKind::kExp;
  static constexpr std::string_view kName = "Unary";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(Unary, kind)); }
  bool operator==(const Unary&) const = default;
};

enum class ReduceKind : uint8_t { kSum, kProd, kMax, kMin, kMean };
std::string_view name_of(ReduceKind kind);
/// in: x → x without (or with extent 1 at) `axes`; empty axes: all
struct Reduce {
  ReduceKind kind = ReduceKind::kSum;
  std::vector<int64_t> axes;
  bool keep_dims = false;
  static constexpr std::string_view kName = "Reduce";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Reduce, kind), OCTILE_FIELD(Reduce, axes),
                           OCTILE_FIELD(Reduce, keep_dims));
  }
  bool operator==(const Reduce&) const = default;
};

/// in: a (…, M, K), b (…, K, N), [bias (N)] → (…, M, N); batch extents broadcast.
/// transpose_a / transpose_b swap the last two axes first; rank 1 operands are vectors (NumPy).
/// All float32, or all int32: then the sum is an int32 one, modulo 2^32.
struct MatrixMultiply {
  bool transpose_a = false, transpose_b = false;
  static constexpr std::string_view kName = "MatrixMultiply";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(MatrixMultiply, transpose_a),
                           OCTILE_FIELD(MatrixMultiply, transpose_b));
  }
  bool operator==(const MatrixMultiply&) const = default;
};

/// in: nothing → the value, which the network keeps (Network::constant_value)
struct Constant {
  static constexpr std::string_view kName = "Constant";
  static constexpr auto fields() { return std::make_tuple(); }
  bool operator==(const Constant&) const = default;
};

/// in: x → transpose by `first` (empty: none), reshape to `dims` (absent: none; 0 copies the
/// input's extent unless zero_is_placeholder is false, one −1 is inferred), transpose by `second`.
struct Shuffle {
  std::vector<int64_t> first;
  bool has_reshape = false;
  std::vector<int64_t> dims;
  bool zero_is_placeholder = true;
  std::vector<int64_t> second;
  static constexpr std::string_view kName = "Shuffle";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Shuffle, first), OCTILE_FIELD(Shuffle, has_reshape),
                           OCTILE_FIELD(Shuffle, dims), OCTILE_FIELD(Shuffle, zero_is_placeholder),
                           OCTILE_FIELD(Shuffle, second));
  }
  bool operator==(const Shuffle&) const = default;
};

/// in: one or more tensors → joined along `axis`
struct Concatenation {
  int64_t axis = 1;
  static constexpr std::string_view kName = "Concatenation";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(Concatenation, axis)); }
  bool operator==(const Concatenation&) const = default;
};

/// in: x → x[start : start + size·stride : stride] on `axes` (empty axes: all, in order).
/// A negative start counts from the end; size −1 means "to the end"; strides may be negative.
struct Slice {
  std::vector<int64_t> axes, start, size, stride;
  static constexpr std::string_view kName = "Slice";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Slice, axes), OCTILE_FIELD(Slice, start),
                           OCTILE_FIELD(Slice, size), OCTILE_FIELD(Slice, stride));
  }
  bool operator==(const Slice&) const = default;
};

enum class PaddingKind : uint8_t { kConstant, kReflect, kEdge };
/// in: x → x with `before` and `after` elements more on each axis (one entry an axis; negative
/// entries crop, constant kind only)
struct Padding {
  PaddingKind kind = PaddingKind::kConstant;
  std::vector<int64_t> before, after;
  float value = 0.0f;
  static constexpr std::string_view kName = "Padding";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Padding, kind), OCTILE_FIELD(Padding, before),
                           OCTILE_FIELD(Padding, after), OCTILE_FIELD(Padding, value));
  }
  bool operator==(const Padding&) const = default;
};

/// in: x → softmax over `axes` (taken together)
struct Softmax {
  std::vector<int64_t> axes;
  static constexpr std::string_view kName = "Softmax";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(Softmax, axes)); }
  bool operator==(const Softmax&) const = default;
};

/// in: x → values (x's type), indices (int32), both with extent k on `axis`; sorted, best first;
/// equal values: the lower index first
struct TopK {
  int64_t k = 1, axis = -1;
  bool largest = true;
  static constexpr std::string_view kName = "TopK";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(TopK, k), OCTILE_FIELD(TopK, axis),
                           OCTILE_FIELD(TopK, largest));
  }
  bool operator==(const TopK&) const = default;
};

/// in: data, indices (int32 or int64) → data with `axis` replaced by the indices' shape
struct Gather {
  int64_t axis = 0;
  static constexpr std::string_view kName = "Gather";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(Gather, axis)); }
  bool operator==(const Gather&) const = default;
};

enum class ResizeKind : uint8_t { kNearest, kLinear, kCubic };
/// Where output pixel o reads the input; out is the extent before rounding (in·s):
/// half_pixel (o+½)/s − ½ · asymmetric o/s · align_corners o·(in−1)/(out−1) ·
/// pytorch_half_pixel: half_pixel, but 0 for an extent of 1 · tf_half_pixel_for_nn (o+½)/s ·
/// tf_crop_and_resize: align_corners inside `roi` · half_pixel_symmetric: half_pixel, shifted so
/// that the centres meet although the extent was rounded.
enum class ResizeCoordinates : uint8_t {
  kHalfPixel,
  kAsymmetric,
  kAlignCorners,
  kPytorchHalfPixel,
  kTfHalfPixelForNn,
  kTfCropAndResize,
  kHalfPixelSymmetric,
};
/// kFloor, kCeil; kRoundPreferFloor / kRoundPreferCeil: half goes down / up (ONNX).
enum class ResizeRounding : uint8_t { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil };
/// in: x (N, C, spatial…) → resized. `sizes` (all axes) or `scales` (all axes); with both, sizes
/// give the extents and scales the coordinates.
/// cubic: Keys' kernel with that coefficient; exclude_outside: taps beside the image weigh nothing
/// (else they read its edge). antialias: linear and cubic kernels are stretched where the image
/// shrinks. roi: starts of all axes, then ends, normalized (tf_crop_and_resize only), beside which
/// the result is `extrapolation`.
struct Resize {
  ResizeKind kind = ResizeKind::kNearest;
  ResizeCoordinates coordinates = ResizeCoordinates::kHalfPixel;
  ResizeRounding rounding = ResizeRounding::kRoundPreferFloor;
  std::vector<int64_t> sizes;
  std::vector<float> scales;
  float cubic_coefficient = -0.75f;
  bool exclude_outside = false, antialias = false;
  std::vector<float> roi;
  float extrapolation = 0.0f;
  static constexpr std::string_view kName = "Resize";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Resize, kind), OCTILE_FIELD(Resize, coordinates),
                           OCTILE_FIELD(Resize, rounding), OCTILE_FIELD(Resize, sizes),
                           OCTILE_FIELD(Resize, scales), OCTILE_FIELD(Resize, cubic_coefficient),
                           OCTILE_FIELD(Resize, exclude_outside), OCTILE_FIELD(Resize, antialias),
                           OCTILE_FIELD(Resize, roi), OCTILE_FIELD(Resize, extrapolation));
  }
  bool operator==(const Resize&) const = default;
};

/// in: condition (bool), a, b (all broadcast) → condition ? a : b
struct Select {
  static constexpr std::string_view kName = "Select";
  static constexpr auto fields() { return std::make_tuple(); }
  bool operator==(const Select&) const = default;
};

/// in: x → the same shape in another type
struct Cast {
  DataType type = DataType::kFloat32;
  static constexpr std::string_view kName = "Cast";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(Cast, type)); }
  bool operator==(const Cast&) const = default;
};

/// in: x → x
struct Identity {
  static constexpr std::string_view kName = "Identity";
  static constexpr auto fields() { return std::make_tuple(); }
  bool operator==(const Identity&) const = default;
};

/// in: x float → q, by docs/arithmetic.md. `scale` has one entry, or one a slice along `axis`.
/// dynamic: scale and zero point come from each sample (slice along axis 0) at run time, and the
/// op has three outputs: q, scale (N) float32, zero point (N) int32; `scale` is empty then.
/// lo and hi are the ends of the integer range actually used (for example −127..127 for weights).
struct Quantize {
  DataType type = DataType::kInt8;  // kInt8, kUInt8 (affine), kInt32 (bias)
  std::vector<float> scale;
  int32_t zero_point = 0;
  int64_t axis = -1;  // −1: per tensor
  int32_t lo = -128, hi = 127;
  bool dynamic = false;
  static constexpr std::string_view kName = "Quantize";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Quantize, type), OCTILE_FIELD(Quantize, scale),
                           OCTILE_FIELD(Quantize, zero_point), OCTILE_FIELD(Quantize, axis),
                           OCTILE_FIELD(Quantize, lo), OCTILE_FIELD(Quantize, hi),
                           OCTILE_FIELD(Quantize, dynamic));
  }
  bool operator==(const Quantize&) const = default;
};

/// in: q, [scale (N), zero point (N) of a dynamic Quantize] → float, scale · (q − zero_point)
struct Dequantize {
  std::vector<float> scale;
  int32_t zero_point = 0;
  int64_t axis = -1;
  bool dynamic = false;
  static constexpr std::string_view kName = "Dequantize";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Dequantize, scale), OCTILE_FIELD(Dequantize, zero_point),
                           OCTILE_FIELD(Dequantize, axis), OCTILE_FIELD(Dequantize, dynamic));
  }
  bool operator==(const Dequantize&) const = default;
};

// --- indexing, sampling, scanning: float or integers only, by plain evaluation ---

/// in: data, indices (int32 or int64, data's rank) → the indices' shape:
/// y[i…] = data[i… with the entry at `axis` replaced by indices[i…]]
struct GatherElements {
  int64_t axis = 0;
  static constexpr std::string_view kName = "GatherElements";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(GatherElements, axis)); }
  bool operator==(const GatherElements&) const = default;
};

/// in: data, indices (int32 or int64) (batch…, list…, k) → (batch…, list…, data's axes from
/// batch_dims + k on): each row of k indices names a slice of data behind the batch axes
struct GatherNd {
  int64_t batch_dims = 0;
  static constexpr std::string_view kName = "GatherNd";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(GatherNd, batch_dims)); }
  bool operator==(const GatherNd&) const = default;
};

/// What happens where an update meets the value that is there; none: it is replaced.
enum class ScatterReduction : uint8_t { kNone, kAdd, kMul, kMin, kMax };
/// in: data, indices (int32 or int64, data's rank), updates (the indices' shape) → data after
/// y[i… with the entry at `axis` replaced by indices[i…]] = updates[i…], in row-major order of i
struct ScatterElements {
  int64_t axis = 0;
  ScatterReduction reduction = ScatterReduction::kNone;
  static constexpr std::string_view kName = "ScatterElements";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(ScatterElements, axis),
                           OCTILE_FIELD(ScatterElements, reduction));
  }
  bool operator==(const ScatterElements&) const = default;
};

/// in: data, indices (int32 or int64) (list…, k), updates (list…, data's axes from k on) → data
/// after each row of k indices had the slice that it names updated, in row-major order
struct ScatterNd {
  ScatterReduction reduction = ScatterReduction::kNone;
  static constexpr std::string_view kName = "ScatterNd";
  static constexpr auto fields() { return std::make_tuple(OCTILE_FIELD(ScatterNd, reduction)); }
  bool operator==(const ScatterNd&) const = default;
};

/// in: x (N, C, spatial…) → (N, C, spatial'…) int64: where in x, as flat offsets, each maximum of
/// a max pooling stands (the first of equals). column_major: inside a plane the first spatial axis
/// runs fastest.
struct PoolingIndices {
  Window window;
  bool column_major = false;
  static constexpr std::string_view kName = "PoolingIndices";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(PoolingIndices, window),
                           OCTILE_FIELD(PoolingIndices, column_major));
  }
  bool operator==(const PoolingIndices&) const = default;
};

/// What lies beside the image: zeros, its edge, its mirror image.
enum class GridPadding : uint8_t { kZeros, kBorder, kReflection };
/// in: x (N, C, spatial…), grid (N, spatial'…, D) → (N, C, spatial'…): x at the points of the grid,
/// whose D coordinates (innermost axis first) are −1 … 1 over the image; with align_corners these
/// ends are the centres of the outer pixels, else their outer edges
struct GridSample {
  ResizeKind kind = ResizeKind::kLinear;
  GridPadding padding = GridPadding::kZeros;
  bool align_corners = false;
  static constexpr std::string_view kName = "GridSample";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(GridSample, kind), OCTILE_FIELD(GridSample, padding),
                           OCTILE_FIELD(GridSample, align_corners));
  }
  bool operator==(const GridSample&) const = default;
};

/// in: x (N, C, H, W), rois (R, 4) as x1, y1, x2, y2, batch (R) int32 or int64 → (R, C, height,
/// width): bilinear samples, sampling_ratio² a bin (0: one a pixel), averaged or their maximum.
/// half_pixel: rois are shifted by half a pixel; else they are at least one pixel large.
struct RoiAlign {
  PoolingKind kind = PoolingKind::kAverage;
  int64_t height = 1, width = 1, sampling_ratio = 0;
  float spatial_scale = 1.0f;
  bool half_pixel = true;
  static constexpr std::string_view kName = "RoiAlign";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(RoiAlign, kind), OCTILE_FIELD(RoiAlign, height),
                           OCTILE_FIELD(RoiAlign, width), OCTILE_FIELD(RoiAlign, sampling_ratio),
                           OCTILE_FIELD(RoiAlign, spatial_scale),
                           OCTILE_FIELD(RoiAlign, half_pixel));
  }
  bool operator==(const RoiAlign&) const = default;
};

/// in: x → running sums along `axis`; exclusive: without the element itself; reverse: from the end
struct CumulativeSum {
  int64_t axis = 0;
  bool exclusive = false, reverse = false;
  static constexpr std::string_view kName = "CumulativeSum";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(CumulativeSum, axis),
                           OCTILE_FIELD(CumulativeSum, exclusive),
                           OCTILE_FIELD(CumulativeSum, reverse));
  }
  bool operator==(const CumulativeSum&) const = default;
};

/// in: x (…, M, M) → (…)
struct Determinant {
  static constexpr std::string_view kName = "Determinant";
  static constexpr auto fields() { return std::make_tuple(); }
  bool operator==(const Determinant&) const = default;
};

// --- recurrent networks and signals ---

enum class RecurrentKind : uint8_t { kRnn, kGru, kLstm };
enum class RecurrentDirection : uint8_t { kForward, kReverse, kBidirectional };
/// in: x (T, N, I), weights (D, G·H, I), recurrence (D, G·H, H), [bias (D, 2·G·H)],
/// [lengths (N) int32], [initial h (D, N, H)], [initial c (D, N, H)], [peepholes (D, 3·H)]
/// → y (T, D, N, H), last h (D, N, H), and of an LSTM last c (D, N, H).
/// D directions (2 when bidirectional), G gates in ONNX's order (RNN 1; GRU z, r, h; LSTM i, o,
/// f, c). `activations`: 1, 2 or 3 a direction: ONNX's f, g, h. clip bounds the gates' sums (0:
/// none). A sequence shorter than T is followed by zeros in y; a reversed one begins at its end.
struct Recurrent {
  RecurrentKind kind = RecurrentKind::kLstm;
  RecurrentDirection direction = RecurrentDirection::kForward;
  std::vector<Activation> activations;
  float clip = 0.0f;
  bool input_forget = false;         // LSTM: the forget gate is 1 − the input gate
  bool linear_before_reset = false;  // GRU: the reset gate comes after the product
  bool has_bias = false, has_lengths = false;
  bool has_initial_h = false, has_initial_c = false, has_peepholes = false;
  static constexpr std::string_view kName = "Recurrent";
  static constexpr auto fields() {
    return std::make_tuple(
        OCTILE_FIELD(Recurrent, kind), OCTILE_FIELD(Recurrent, direction),
        OCTILE_FIELD(Recurrent, activations), OCTILE_FIELD(Recurrent, clip),
        OCTILE_FIELD(Recurrent, input_forget), OCTILE_FIELD(Recurrent, linear_before_reset),
        OCTILE_FIELD(Recurrent, has_bias), OCTILE_FIELD(Recurrent, has_lengths),
        OCTILE_FIELD(Recurrent, has_initial_h), OCTILE_FIELD(Recurrent, has_initial_c),
        OCTILE_FIELD(Recurrent, has_peepholes));
  }
  bool operator==(const Recurrent&) const = default;
};

/// in: x (…, 1) real or (…, 2) complex → its discrete Fourier transform along `axis` (not the
/// last), (…, 2). The axis is cut or filled with zeros to `length` first (0: as it is). onesided:
/// only the first length/2 + 1 of the result. inverse: conjugate, divided by the length.
struct Fourier {
  int64_t axis = 1, length = 0;
  bool inverse = false, onesided = false;
  static constexpr std::string_view kName = "Fourier";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Fourier, axis), OCTILE_FIELD(Fourier, length),
                           OCTILE_FIELD(Fourier, inverse), OCTILE_FIELD(Fourier, onesided));
  }
  bool operator==(const Fourier&) const = default;
};

// --- results whose extents depend on values (kDynamic until the op has run), by plain evaluation
// ---

/// in: x (a scalar counts as one element) → (max(rank, 1), n) int64: the positions of the n
/// elements that are not zero, in row-major order
struct NonZero {
  static constexpr std::string_view kName = "NonZero";
  static constexpr auto fields() { return std::make_tuple(); }
  bool operator==(const NonZero&) const = default;
};

/// in: x, condition (L) bool → the slices along `axis` (flat: the elements of x as one list) whose
/// condition is true; beyond the condition's end nothing is kept
struct Compress {
  bool flat = true;
  int64_t axis = 0;
  static constexpr std::string_view kName = "Compress";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Compress, flat), OCTILE_FIELD(Compress, axis));
  }
  bool operator==(const Compress&) const = default;
};

/// in: x → the different slices along `axis` (flat: elements of x as one list), then three int64
/// lists: where each first stands, which of them each slice of x is, how often each occurs.
/// sorted: in ascending order (slices lexicographically), else in order of appearing.
struct Unique {
  bool flat = true;
  int64_t axis = 0;
  bool sorted = true;
  static constexpr std::string_view kName = "Unique";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(Unique, flat), OCTILE_FIELD(Unique, axis),
                           OCTILE_FIELD(Unique, sorted));
  }
  bool operator==(const Unique&) const = default;
};

/// in: boxes (N, B, 4), scores (N, C, B) → (n, 3) int64: (image, class, box) of the boxes kept; of
/// each image and class the best first, at most max_output of them. A box is taken when its score
/// is above score_threshold (−∞: always) and its overlap (intersection over union) with every box
/// taken before is at most iou_threshold. Boxes are two corners y, x, y, x, in either order, or
/// (center_point) x, y of the centre, width, height.
struct NonMaxSuppression {
  int64_t max_output = 0;
  float iou_threshold = 0.0f;
  float score_threshold = -std::numeric_limits<float>::infinity();
  bool center_point = false;
  static constexpr std::string_view kName = "NonMaxSuppression";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(NonMaxSuppression, max_output),
                           OCTILE_FIELD(NonMaxSuppression, iou_threshold),
                           OCTILE_FIELD(NonMaxSuppression, score_threshold),
                           OCTILE_FIELD(NonMaxSuppression, center_point));
  }
  bool operator==(const NonMaxSuppression&) const = default;
};

/// in: x → its extents (rank) int64
struct ShapeOf {
  static constexpr std::string_view kName = "ShapeOf";
  static constexpr auto fields() { return std::make_tuple(); }
  bool operator==(const ShapeOf&) const = default;
};

/// in: start, limit, delta (one element each; float32, int32 or int64) → (n): start, start + delta,
/// … before limit
struct Counting {
  static constexpr std::string_view kName = "Counting";
  static constexpr auto fields() { return std::make_tuple(); }
  bool operator==(const Counting&) const = default;
};

/// in: x, extents (n) int64 → x broadcast together with a tensor of these extents
struct Expand {
  static constexpr std::string_view kName = "Expand";
  static constexpr auto fields() { return std::make_tuple(); }
  bool operator==(const Expand&) const = default;
};

/// in: x, extents (n) int64 → x reshaped: a −1 is inferred, a 0 copies the input's extent unless
/// zero_is_placeholder is false
struct ReshapeTo {
  bool zero_is_placeholder = true;
  static constexpr std::string_view kName = "ReshapeTo";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(ReshapeTo, zero_is_placeholder));
  }
  bool operator==(const ReshapeTo&) const = default;
};

/// in: x, start, end (one int64 each an axis listed) → x[start : end : stride] on `axes`, as NumPy:
/// negative bounds count from the end, bounds outside the axis are moved to its ends
struct SliceBetween {
  std::vector<int64_t> axes, stride;
  static constexpr std::string_view kName = "SliceBetween";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(SliceBetween, axes), OCTILE_FIELD(SliceBetween, stride));
  }
  bool operator==(const SliceBetween&) const = default;
};

/// in: x, k (one int64) → as TopK
struct TopKOf {
  int64_t axis = -1;
  bool largest = true;
  static constexpr std::string_view kName = "TopKOf";
  static constexpr auto fields() {
    return std::make_tuple(OCTILE_FIELD(TopKOf, axis), OCTILE_FIELD(TopKOf, largest));
  }
  bool operator==(const TopKOf&) const = default;
};

#undef OCTILE_FIELD

/// Every op. The order is part of the plan file's version: append only.
using Op =
    std::variant<Convolution, Deconvolution, Activation, Pooling, Scale, Elementwise, Unary, Reduce,
                 MatrixMultiply, Constant, Shuffle, Concatenation, Slice, Padding, Softmax, TopK,
                 Gather, Resize, Select, Cast, Identity, Quantize, Dequantize, GatherElements,
                 GatherNd, ScatterElements, ScatterNd, PoolingIndices, GridSample, RoiAlign,
                 CumulativeSum, Determinant, Recurrent, Fourier, NonZero, Compress, Unique,
                 NonMaxSuppression, ShapeOf, Counting, Expand, ReshapeTo, SliceBetween, TopKOf>;

/// "Convolution", "Activation", …
inline std::string_view name_of(const Op& op) {
  return std::visit([](const auto& o) { return std::decay_t<decltype(o)>::kName; }, op);
}
/// "Convolution(window=(kernel=[5, 5] …) groups=1)"
std::string to_string(const Op& op);

}  // namespace octile
