// Export of recurrent layers and Fourier transforms.
#include "formats/onnx/export_rules.h"

namespace octile {
namespace {

/// ONNX's name of a gate's function, and how many of alpha and beta it takes.
struct FunctionName {
  ActivationKind kind;
  const char* name;
  int numbers;
};

constexpr FunctionName kFunctionNames[] = {
    {ActivationKind::kAffine, "Affine", 2},
    {ActivationKind::kElu, "Elu", 1},
    {ActivationKind::kHardSigmoid, "HardSigmoid", 2},
    {ActivationKind::kLeakyRelu, "LeakyRelu", 1},
    {ActivationKind::kRelu, "Relu", 0},
    {ActivationKind::kScaledTanh, "ScaledTanh", 2},
    {ActivationKind::kSigmoid, "Sigmoid", 0},
    {ActivationKind::kSoftplus, "Softplus", 0},
    {ActivationKind::kSoftsign, "Softsign", 0},
    {ActivationKind::kTanh, "Tanh", 0},
    {ActivationKind::kThresholdedRelu, "ThresholdedRelu", 1},
};

void set_functions(const LayerWriter& writer, onnx::NodeProto& node, const Recurrent& op) {
  Names names;
  std::vector<float> alphas, betas;
  for (const Activation& function : op.activations) {
    const FunctionName* row = std::begin(kFunctionNames);
    while (row != std::end(kFunctionNames) && row->kind != function.kind) ++row;
    if (row == std::end(kFunctionNames)) {
      writer.refuse(fmt::format("ONNX has no gate function {}", name_of(function.kind)));
    }
    names.emplace_back(row->name);
    if (row->numbers >= 1) alphas.push_back(function.alpha);
    if (row->numbers >= 2) betas.push_back(function.beta);
  }
  set(node, "activations", names);
  if (!alphas.empty()) set(node, "activation_alpha", alphas);
  if (!betas.empty()) set(node, "activation_beta", betas);
}

/// Absent inputs leave a gap in ONNX's list.
Names recurrent_inputs(LayerWriter& writer, const Recurrent& op) {
  Names in{writer.in(0), writer.in(1), writer.in(2)};
  size_t next = 3;
  for (const bool present :
       {op.has_bias, op.has_lengths, op.has_initial_h, op.has_initial_c, op.has_peepholes}) {
    in.push_back(present ? writer.in(next++) : "");
  }
  while (in.back().empty()) in.pop_back();
  return in;
}

}  // namespace

void write_layer(LayerWriter& writer, const Recurrent& op) {
  const bool lstm = op.kind == RecurrentKind::kLstm, gru = op.kind == RecurrentKind::kGru;
  Names out;
  for (const TensorId tensor : writer.network().outputs(writer.layer())) {
    out.push_back(writer.network().name(tensor));
  }
  onnx::NodeProto& node = writer.node(lstm  ? "LSTM"
                                      : gru ? "GRU"
                                            : "RNN",
                                      recurrent_inputs(writer, op), out);
  const Shape& recurrence = writer.shape(2);
  set(node, "hidden_size", recurrence[2]);
  set(node, "direction",
      op.direction == RecurrentDirection::kForward   ? "forward"
      : op.direction == RecurrentDirection::kReverse ? "reverse"
                                                     : "bidirectional");
  set_functions(writer, node, op);
  if (op.clip > 0.0f) set(node, "clip", op.clip);
  if (lstm && op.input_forget) set(node, "input_forget", int64_t{1});
  if (gru && op.linear_before_reset) set(node, "linear_before_reset", int64_t{1});
}

/// The axis is an attribute, and since operator set 20 an input.
void write_layer(LayerWriter& writer, const Fourier& op) {
  const bool axis_is_input = writer.opset() >= 20;
  const auto scalar = [&](int64_t value, const char* suffix) {
    return writer.parameter(Tensor::int64s({value}).reshaped(Shape{}), suffix);
  };
  Names in{writer.in(0)};
  if (op.length > 0 || axis_is_input) {
    in.push_back(op.length > 0 ? scalar(op.length, "length") : "");
  }
  if (axis_is_input) in.push_back(scalar(op.axis, "axis"));
  onnx::NodeProto& node = writer.node("DFT", in, {writer.out()});
  if (!axis_is_input) set(node, "axis", op.axis);
  set(node, "inverse", int64_t{op.inverse});
  set(node, "onesided", int64_t{op.onesided});
}

}  // namespace octile
