// Element-wise operators with broadcasting, functions of one value, Where and Cast. Element-wise
// ops work on float32, int32, int64 (and bool); narrower integers are computed in int32.
#include <algorithm>
#include <cmath>

#include "formats/onnx/rules.h"
#include "formats/onnx/tensor_proto.h"

namespace octile {
namespace {

template <typename Kind>
struct KindRow {
  std::string_view op_type;
  Kind kind;
};

constexpr KindRow<ElementwiseKind> kBinary[] = {
    {"Add", ElementwiseKind::kAdd},         {"And", ElementwiseKind::kAnd},
    {"Div", ElementwiseKind::kDiv},         {"Equal", ElementwiseKind::kEqual},
    {"Greater", ElementwiseKind::kGreater}, {"GreaterOrEqual", ElementwiseKind::kGreater},
    {"Less", ElementwiseKind::kLess},       {"LessOrEqual", ElementwiseKind::kLess},
    {"Max", ElementwiseKind::kMax},         {"Mean", ElementwiseKind::kAdd},
    {"Min", ElementwiseKind::kMin},         {"Mul", ElementwiseKind::kMul},
    {"Or", ElementwiseKind::kOr},           {"Sub", ElementwiseKind::kSub},
    {"Sum", ElementwiseKind::kAdd},         {"Xor", ElementwiseKind::kXor},
};

constexpr KindRow<UnaryKind> kUnary[] = {
    {"Abs", UnaryKind::kAbs},     {"Acos", UnaryKind::kAcos},
    {"Acosh", UnaryKind::kAcosh}, {"Asin", UnaryKind::kAsin},
    {"Asinh", UnaryKind::kAsinh}, {"Atan", UnaryKind::kAtan},
    {"Atanh", UnaryKind::kAtanh}, {"Ceil", UnaryKind::kCeil},
    {"Cos", UnaryKind::kCos},     {"Cosh", UnaryKind::kCosh},
    {"Erf", UnaryKind::kErf},     {"Exp", UnaryKind::kExp},
    {"Floor", UnaryKind::kFloor}, {"IsNaN", UnaryKind::kIsNan},
    {"Log", UnaryKind::kLog},     {"Neg", UnaryKind::kNeg},
    {"Not", UnaryKind::kNot},     {"Reciprocal", UnaryKind::kReciprocal},
    {"Round", UnaryKind::kRound}, {"Sign", UnaryKind::kSign},
    {"Sin", UnaryKind::kSin},     {"Sinh", UnaryKind::kSinh},
    {"Sqrt", UnaryKind::kSqrt},   {"Tan", UnaryKind::kTan},
};

template <typename Kind, size_t N>
Kind kind_of(const KindRow<Kind> (&table)[N], const Node& node) {
  for (const auto& row : table) {
    if (row.op_type == node.op_type()) return row.kind;
  }
  fail(ErrorCode::kInternal, "no kind for {}", node.op_type());
}

bool is_narrow(DataType type) {
  return type == DataType::kInt8 || type == DataType::kUInt8 || type == DataType::kInt16;
}

/// Input `index` as element-wise ops take it.
TensorId operand(Node& node, int index) {
  return is_narrow(node.type(index)) ? node.cast(node.in(index), DataType::kInt32) : node.in(index);
}

bool is_comparison(ElementwiseKind kind) {
  return kind == ElementwiseKind::kEqual || kind == ElementwiseKind::kGreater ||
         kind == ElementwiseKind::kLess;
}

void no_legacy_broadcast(Node& node) {
  if (node.attribute("broadcast") != nullptr || node.attribute("axis") != nullptr) {
    node.unsupported(
        "it broadcasts as operator sets before 7 did; convert the model with ONNX's "
        "version converter");
  }
}

}  // namespace

void import_binary(Node& node) {
  no_legacy_broadcast(node);
  const ElementwiseKind kind = kind_of(kBinary, node);
  const DataType type = node.type(0);
  const TensorId a = operand(node, 0), b = operand(node, 1);
  TensorId y = node.elementwise(kind, a, b);
  if (node.op_type().ends_with("OrEqual")) {
    y = node.elementwise(ElementwiseKind::kOr, y, node.elementwise(ElementwiseKind::kEqual, a, b));
  }
  node.output(is_comparison(kind) ? y : node.cast(y, type));
}

/// Max, Min, Sum and Mean of any number of inputs.
void import_variadic(Node& node) {
  const ElementwiseKind kind = kind_of(kBinary, node);
  const DataType type = node.type(0);
  TensorId y = operand(node, 0);
  for (int i = 1; i < node.input_count(); ++i) y = node.elementwise(kind, y, operand(node, i));
  if (node.op_type() == "Mean" && node.input_count() > 1) {
    y = node.with_scalar(ElementwiseKind::kDiv, y, node.input_count());
  }
  node.output(node.cast(y, type));
}

/// The result has the base's type; a float exponent makes the computation a float one.
void import_pow(Node& node) {
  no_legacy_broadcast(node);
  const DataType type = node.type(0);
  TensorId base = operand(node, 0), exponent = operand(node, 1);
  const bool any_float = type == DataType::kFloat32 || node.type(1) == DataType::kFloat32;
  const DataType computed = any_float ? DataType::kFloat32 : node.network().type(base);
  base = node.cast(base, computed);
  exponent = node.cast(exponent, computed);
  node.output(node.cast(node.elementwise(ElementwiseKind::kPow, base, exponent), type));
}

/// Integers: sign of the divisor, or of the dividend with fmod (a − b·trunc(a/b)). Floats: fmod.
void import_mod(Node& node) {
  const DataType type = node.type(0);
  const bool fmod = node.integer("fmod", 0) != 0;
  node.require(fmod || type != DataType::kFloat32, "Mod of floats needs attribute fmod=1");
  const TensorId a = operand(node, 0), b = operand(node, 1);
  if (!fmod || type == DataType::kFloat32) {
    return node.output(node.cast(node.elementwise(ElementwiseKind::kMod, a, b), type));
  }
  const TensorId quotient = node.elementwise(ElementwiseKind::kDiv, a, b);
  const TensorId product = node.elementwise(ElementwiseKind::kMul, quotient, b);
  node.output(node.cast(node.elementwise(ElementwiseKind::kSub, a, product), type));
}

/// x · 2ⁿ cut to the type's bits, or x / 2ⁿ. The types are unsigned, in wider signed ones here; of
/// uint64 only what fits int64 comes out right.
void import_bit_shift(Node& node) {
  const std::string direction = node.text("direction", "");
  node.require(direction == "LEFT" || direction == "RIGHT", "attribute 'direction' is '{}'",
               direction);
  const DataType type = node.type(0);
  const TensorId x = node.cast(node.in(0), DataType::kInt64);
  const TensorId shift = node.cast(node.in(1), DataType::kInt64);
  const TensorId two = node.add_constant(Tensor::int64s({2}).reshaped(Shape{}), "two");
  const TensorId factor = node.elementwise(ElementwiseKind::kPow, two, shift);
  TensorId y = node.elementwise(direction == "LEFT" ? ElementwiseKind::kMul : ElementwiseKind::kDiv,
                                x, factor);
  const int bits = onnx_type_bits(node.onnx_type(0));
  if (direction == "LEFT" && bits > 0 && bits < 64) {
    y = node.with_scalar(ElementwiseKind::kMod, y, std::ldexp(1.0, bits));
  }
  node.output(node.cast(y, type));
}

void import_unary(Node& node) {
  const DataType type = node.type(0);
  const UnaryKind kind = kind_of(kUnary, node);
  const TensorId y = node.unary(kind, operand(node, 0));
  node.output(kind == UnaryKind::kIsNan || kind == UnaryKind::kNot ? y : node.cast(y, type));
}

void import_is_inf(Node& node) {
  const bool negative = node.integer("detect_negative", 1) != 0;
  const bool positive = node.integer("detect_positive", 1) != 0;
  const TensorId x = node.in(0);
  TensorId y = node.unary(UnaryKind::kIsInf, x);
  for (const auto& [wanted, side] : {std::pair{negative, ElementwiseKind::kGreater},
                                     std::pair{positive, ElementwiseKind::kLess}}) {
    if (wanted) continue;
    y = node.elementwise(ElementwiseKind::kAnd, y, node.with_scalar(side, x, 0.0));
  }
  node.output(y);
}

void import_where(Node& node) {
  node.output(node.add(Select{}, {node.in(0), node.in(1), node.in(2)}));
}

/// Cast, and CastLike with the type of input 1. Every real type is float32 in the network, so a
/// Cast to float16 or bfloat16 does not round.
void import_cast(Node& node) {
  node.attribute("saturate");  // of 8-bit floats, which Octile refuses
  const bool like = node.op_type() == "CastLike";
  node.require(like || node.has_attribute("to"), "attribute 'to' is missing");
  const DataType type = like ? node.type(1) : node.type_attribute("to", DataType::kFloat32);
  node.output(node.add(Cast{type}, {node.in(0)}));
}

}  // namespace octile
