// Export of what is computed value by value: activations, arithmetic, comparisons, Where, Cast.
#include <algorithm>
#include <cmath>

#include "formats/onnx/export_rules.h"

namespace octile {
namespace {

template <typename Kind>
struct KindName {
  Kind kind;
  const char* op_type;
};

/// Activations that are one node; `alpha` and `beta` name its attributes.
struct ActivationName {
  ActivationKind kind;
  const char *op_type, *alpha, *beta;
};

constexpr ActivationName kActivationNames[] = {
    {ActivationKind::kRelu, "Relu", nullptr, nullptr},
    {ActivationKind::kSigmoid, "Sigmoid", nullptr, nullptr},
    {ActivationKind::kTanh, "Tanh", nullptr, nullptr},
    {ActivationKind::kLeakyRelu, "LeakyRelu", "alpha", nullptr},
    {ActivationKind::kElu, "Elu", "alpha", nullptr},
    {ActivationKind::kSelu, "Selu", "alpha", "gamma"},
    {ActivationKind::kSoftsign, "Softsign", nullptr, nullptr},
    {ActivationKind::kHardSigmoid, "HardSigmoid", "alpha", "beta"},
    {ActivationKind::kThresholdedRelu, "ThresholdedRelu", "alpha", nullptr},
    {ActivationKind::kGeluErf, "Gelu", nullptr, nullptr},
    {ActivationKind::kGeluTanh, "Gelu", nullptr, nullptr},
    {ActivationKind::kHardSwish, "HardSwish", nullptr, nullptr},
    {ActivationKind::kMish, "Mish", nullptr, nullptr},
};

constexpr KindName<ElementwiseKind> kBinaryNames[] = {
    {ElementwiseKind::kAdd, "Add"},     {ElementwiseKind::kSub, "Sub"},
    {ElementwiseKind::kMul, "Mul"},     {ElementwiseKind::kDiv, "Div"},
    {ElementwiseKind::kMin, "Min"},     {ElementwiseKind::kMax, "Max"},
    {ElementwiseKind::kPow, "Pow"},     {ElementwiseKind::kMod, "Mod"},
    {ElementwiseKind::kEqual, "Equal"}, {ElementwiseKind::kGreater, "Greater"},
    {ElementwiseKind::kLess, "Less"},   {ElementwiseKind::kAnd, "And"},
    {ElementwiseKind::kOr, "Or"},       {ElementwiseKind::kXor, "Xor"},
};

constexpr KindName<UnaryKind> kUnaryNames[] = {
    {UnaryKind::kExp, "Exp"},     {UnaryKind::kLog, "Log"},
    {UnaryKind::kSqrt, "Sqrt"},   {UnaryKind::kReciprocal, "Reciprocal"},
    {UnaryKind::kAbs, "Abs"},     {UnaryKind::kNeg, "Neg"},
    {UnaryKind::kSin, "Sin"},     {UnaryKind::kCos, "Cos"},
    {UnaryKind::kTan, "Tan"},     {UnaryKind::kSinh, "Sinh"},
    {UnaryKind::kCosh, "Cosh"},   {UnaryKind::kAsin, "Asin"},
    {UnaryKind::kAcos, "Acos"},   {UnaryKind::kAtan, "Atan"},
    {UnaryKind::kAsinh, "Asinh"}, {UnaryKind::kAcosh, "Acosh"},
    {UnaryKind::kAtanh, "Atanh"}, {UnaryKind::kCeil, "Ceil"},
    {UnaryKind::kFloor, "Floor"}, {UnaryKind::kErf, "Erf"},
    {UnaryKind::kNot, "Not"},     {UnaryKind::kSign, "Sign"},
    {UnaryKind::kRound, "Round"}, {UnaryKind::kIsInf, "IsInf"},
    {UnaryKind::kIsNan, "IsNaN"},
};

template <typename Row, typename Kind, size_t N>
const Row* find(const Row (&table)[N], Kind kind) {
  const Row* row = std::find_if(std::begin(table), std::end(table),
                                [&](const Row& r) { return r.kind == kind; });
  return row == std::end(table) ? nullptr : row;
}

/// x · factor; x itself for a factor of 1.
std::string scaled(LayerWriter& writer, const std::string& x, float factor,
                   const std::string& suffix) {
  if (factor == 1.0f) return x;
  return LayerWriter::result(
      writer.beside("Mul", {x, writer.number(factor, suffix + "_factor")}, suffix));
}

/// The layer's node when it multiplies the last result; it must be there, whatever the factor.
void multiply_last(LayerWriter& writer, const std::string& x, float factor) {
  writer.node("Mul", {x, writer.number(factor, "factor")}, {writer.out()});
}

/// Infinite bounds are left out.
void write_clip(LayerWriter& writer, const Activation& op) {
  Names in{writer.in(0), "", ""};
  if (!std::isinf(op.alpha)) in[1] = writer.number(op.alpha, "min");
  if (!std::isinf(op.beta)) in[2] = writer.number(op.beta, "max");
  while (in.back().empty()) in.pop_back();
  writer.node("Clip", in, {writer.out()});
}

/// Activations that ONNX makes of several nodes.
void write_composed(LayerWriter& writer, const Activation& op) {
  const std::string x = writer.in(0);
  const auto beside = [&](const char* type, const std::string& in, const char* suffix) {
    return LayerWriter::result(writer.beside(type, {in}, suffix));
  };
  switch (op.kind) {
    case ActivationKind::kSoftplus: {  // α·log(e^{βx} + 1)
      if (op.alpha == 1.0f && op.beta == 1.0f) {
        writer.node("Softplus");
        return;
      }
      const std::string inner = scaled(writer, x, op.beta, "inner");
      return multiply_last(writer, beside("Softplus", inner, "softplus"), op.alpha);
    }
    case ActivationKind::kScaledTanh:  // α·tanh(βx)
      return multiply_last(writer, beside("Tanh", scaled(writer, x, op.beta, "inner"), "tanh"),
                           op.alpha);
    case ActivationKind::kSwish:  // x·sigmoid(αx)
      writer.node("Mul", {x, beside("Sigmoid", scaled(writer, x, op.alpha, "inner"), "sigmoid")},
                  {writer.out()});
      return;
    case ActivationKind::kAffine: {  // αx + β
      const std::string product = scaled(writer, x, op.alpha, "product");
      writer.node("Add", {product, writer.number(op.beta, "summand")}, {writer.out()});
      return;
    }
    case ActivationKind::kClip: return write_clip(writer, op);
    default: writer.refuse("ONNX export has no form for this activation");
  }
}

}  // namespace

void write_layer(LayerWriter& writer, const Activation& op) {
  const ActivationName* row = find(kActivationNames, op.kind);
  if (row == nullptr) return write_composed(writer, op);
  onnx::NodeProto& node = writer.node(row->op_type);
  if (row->alpha != nullptr) set(node, row->alpha, op.alpha);
  if (row->beta != nullptr) set(node, row->beta, op.beta);
  if (op.kind == ActivationKind::kGeluTanh) set(node, "approximate", "tanh");
}

void write_layer(LayerWriter& writer, const Elementwise& op) {
  const bool is_float = writer.type(0) == DataType::kFloat32;
  if (op.kind == ElementwiseKind::kFloorDiv) {
    if (!is_float) writer.refuse("ONNX divides integers towards zero, not down");
    const std::string ratio = LayerWriter::result(writer.beside("Div", writer.ins(), "quotient"));
    writer.node("Floor", {ratio}, {writer.out()});
    return;
  }
  const auto* row = find(kBinaryNames, op.kind);
  if (row == nullptr) writer.refuse("ONNX export has no form for this kind");
  onnx::NodeProto& node = writer.node(row->op_type);
  if (op.kind == ElementwiseKind::kMod && is_float) set(node, "fmod", int64_t{1});
}

void write_layer(LayerWriter& writer, const Unary& op) {
  const auto* row = find(kUnaryNames, op.kind);
  if (row == nullptr) writer.refuse("ONNX export has no form for this kind");
  writer.node(row->op_type);
}

void write_layer(LayerWriter& writer, const Select&) { writer.node("Where"); }

void write_layer(LayerWriter& writer, const Cast& op) {
  set(writer.node("Cast"), "to", int64_t{onnx_type_of(op.type)});
}

void write_layer(LayerWriter& writer, const Identity&) { writer.node("Identity"); }

}  // namespace octile
