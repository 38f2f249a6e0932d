// Names of the ops' enums, and the printed and hashed forms of ops (see fields.h).
#include <utility>

#include "ops/fields.h"
#include "ops/ops.h"

namespace octile {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::string_view kPaddingModes[] = {"explicit", "ceil", "same_upper", "same_lower"};
constexpr std::string_view kActivations[] = {
    "relu",     "sigmoid",   "tanh",  "leaky_relu",   "elu",         "selu",
    "softsign", "softplus",  "clip",  "hard_sigmoid", "scaled_tanh", "thresholded_relu",
    "gelu_erf", "gelu_tanh", "swish", "hard_swish",   "mish",        "affine"};
constexpr std::string_view kPoolings[] = {"max", "average"};
constexpr std::string_view kElementwise[] = {"add",     "sub",  "mul",       "div", "min",
                                             "max",     "pow",  "floor_div", "mod", "equal",
                                             "greater", "less", "and",       "or",  "xor"};
constexpr std::string_view kUnary[] = {
    "exp",   "log",  "sqrt", "reciprocal", "abs",   "neg",    "sin",   "cos",   "tan",
    "sinh",  "cosh", "asin", "acos",       "atan",  "asinh",  "acosh", "atanh", "ceil",
    "floor", "erf",  "not",  "sign",       "round", "is_inf", "is_nan"};
constexpr std::string_view kReduce[] = {"sum", "prod", "max", "min", "mean"};
constexpr std::string_view kPadding[] = {"constant", "reflect", "edge"};
constexpr std::string_view kResize[] = {"nearest", "linear", "cubic"};
constexpr std::string_view kCoordinates[] = {
    "half_pixel",           "asymmetric",         "align_corners",       "pytorch_half_pixel",
    "tf_half_pixel_for_nn", "tf_crop_and_resize", "half_pixel_symmetric"};
constexpr std::string_view kRounding[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil"};
constexpr std::string_view kScatter[] = {"none", "add", "mul", "min", "max"};
constexpr std::string_view kGridPadding[] = {"zeros", "border", "reflection"};
constexpr std::string_view kRecurrent[] = {"rnn", "gru", "lstm"};
constexpr std::string_view kDirections[] = {"forward", "reverse", "bidirectional"};
constexpr std::string_view kDataTypes[] = {"float32", "float64", "float16", "bfloat16", "int8",
                                           "uint8",   "int16",   "int32",   "int64",    "bool"};

template <typename E, size_t N>
constexpr bool covers(const std::string_view (&)[N], E last) {
  return N == static_cast<size_t>(last) + 1;
}
static_assert(covers(kPaddingModes, PaddingMode::kSameLower));
static_assert(covers(kActivations, ActivationKind::kAffine));
static_assert(covers(kPoolings, PoolingKind::kAverage));
static_assert(covers(kElementwise, ElementwiseKind::kXor));
static_assert(covers(kUnary, UnaryKind::kIsNan));
static_assert(covers(kReduce, ReduceKind::kMean));
static_assert(covers(kPadding, PaddingKind::kEdge));
static_assert(covers(kResize, ResizeKind::kCubic));
static_assert(covers(kCoordinates, ResizeCoordinates::kHalfPixelSymmetric));
static_assert(covers(kRounding, ResizeRounding::kCeil));
static_assert(covers(kScatter, ScatterReduction::kMax));
static_assert(covers(kGridPadding, GridPadding::kReflection));
static_assert(covers(kRecurrent, RecurrentKind::kLstm));
static_assert(covers(kDirections, RecurrentDirection::kBidirectional));
static_assert(covers(kDataTypes, DataType::kBool));

template <size_t I = 0>
Op op_named(std::string_view name) {
  if constexpr (I == std::variant_size_v<Op>) {
    fail(ErrorCode::kInvalidArgument, "there is no op '{}'", name);
  } else {
    using Candidate = std::variant_alternative_t<I, Op>;
    return name == Candidate::kName ? Op(Candidate{}) : op_named<I + 1>(name);
  }
}

}  // namespace

template <>
Names enum_names<PaddingMode>() {
  return kPaddingModes;
}
template <>
Names enum_names<ActivationKind>() {
  return kActivations;
}
template <>
Names enum_names<PoolingKind>() {
  return kPoolings;
}
template <>
Names enum_names<ElementwiseKind>() {
  return kElementwise;
}
template <>
Names enum_names<UnaryKind>() {
  return kUnary;
}
template <>
Names enum_names<ReduceKind>() {
  return kReduce;
}
template <>
Names enum_names<PaddingKind>() {
  return kPadding;
}
template <>
Names enum_names<ResizeKind>() {
  return kResize;
}
template <>
Names enum_names<ResizeCoordinates>() {
  return kCoordinates;
}
template <>
Names enum_names<ResizeRounding>() {
  return kRounding;
}
template <>
Names enum_names<ScatterReduction>() {
  return kScatter;
}
template <>
Names enum_names<GridPadding>() {
  return kGridPadding;
}
template <>
Names enum_names<RecurrentKind>() {
  return kRecurrent;
}
template <>
Names enum_names<RecurrentDirection>() {
  return kDirections;
}
template <>
Names enum_names<DataType>() {
  return kDataTypes;
}

std::string_view name_of(ActivationKind kind) { return enum_name(kind); }
std::string_view name_of(ElementwiseKind kind) { return enum_name(kind); }
std::string_view name_of(UnaryKind kind) { return enum_name(kind); }
std::string_view name_of(ReduceKind kind) { return enum_name(kind); }

Op op_from_name(std::string_view name) { return op_named(name); }

std::string to_string(const Op& op) {
  std::string text;
  print_field(text, op);
  return text;
}

uint64_t hash_of(const Op& op) {
  Hash hash;
  hash_field(hash, op);
  return hash.value();
}

}  // namespace octile
