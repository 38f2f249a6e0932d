// LSTM, GRU and RNN: one Recurrent layer, between transposes where the batch comes first (layout
// 1).
#include <algorithm>
#include <cctype>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// ONNX's functions; alpha and beta are the defaults, and `numbers` says which are given by lists.
struct FunctionRow {
  std::string_view name;
  ActivationKind kind;
  int numbers;
  float alpha, beta;
};

constexpr FunctionRow kFunctions[] = {
    {"affine", ActivationKind::kAffine, 2, 1.0f, 0.0f},
    {"elu", ActivationKind::kElu, 1, 1.0f, 0.0f},
    {"hardsigmoid", ActivationKind::kHardSigmoid, 2, 0.2f, 0.5f},
    {"leakyrelu", ActivationKind::kLeakyRelu, 1, 0.01f, 0.0f},
    {"relu", ActivationKind::kRelu, 0, 0.0f, 0.0f},
    {"scaledtanh", ActivationKind::kScaledTanh, 2, 1.0f, 1.0f},
    {"sigmoid", ActivationKind::kSigmoid, 0, 0.0f, 0.0f},
    {"softplus", ActivationKind::kSoftplus, 0, 1.0f, 1.0f},
    {"softsign", ActivationKind::kSoftsign, 0, 0.0f, 0.0f},
    {"tanh", ActivationKind::kTanh, 0, 0.0f, 0.0f},
    {"thresholdedrelu", ActivationKind::kThresholdedRelu, 1, 1.0f, 0.0f},
};

const FunctionRow& function_row(const Node& node, const std::string& name) {
  std::string lower = name;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto* row = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                 [&](const auto& r) { return r.name == lower; });
  if (row == std::end(kFunctions)) node.unsupported("activation '{}' is not known", name);
  return *row;
}

/// The next entry of a list of alphas or betas, which go to the functions that take one, in order.
float next(const std::vector<float>& list, size_t& used, float otherwise) {
  return used < list.size() ? list[used++] : otherwise;
}

std::vector<Activation> functions_of(const Node& node, const std::vector<std::string>& defaults,
                                     size_t directions) {
  std::vector<std::string> names;
  const auto* given = node.attribute("activations");
  if (given != nullptr) {
    names.assign(given->strings().begin(), given->strings().end());
  }
  for (size_t d = 0; given == nullptr && d < directions; ++d) {
    names.insert(names.end(), defaults.begin(), defaults.end());
  }
  node.require(names.size() == defaults.size() * directions, "it has {} activations, not {}",
               names.size(), defaults.size() * directions);
  const std::vector<float> alphas = node.numbers("activation_alpha"),
                           betas = node.numbers("activation_beta");
  size_t alpha = 0, beta = 0;
  std::vector<Activation> functions;
  for (const std::string& name : names) {
    const FunctionRow& row = function_row(node, name);
    Activation function{row.kind, row.alpha, row.beta};
    if (row.numbers >= 1) function.alpha = next(alphas, alpha, row.alpha);
    if (row.numbers >= 2) function.beta = next(betas, beta, row.beta);
    functions.push_back(function);
  }
  return functions;
}

RecurrentDirection direction_of(const Node& node) {
  const std::string text = node.text("direction", "forward");
  if (text == "forward") return RecurrentDirection::kForward;
  if (text == "reverse") return RecurrentDirection::kReverse;
  node.require(text == "bidirectional", "attribute 'direction' is '{}'", text);
  return RecurrentDirection::kBidirectional;
}

TensorId transposed(Node& node, TensorId x, std::vector<int64_t> permutation) {
  node.require(node.network().shape(x).rank() == static_cast<int>(permutation.size()),
               "an input has the shape {}, but must have {} axes",
               node.network().shape(x).to_string(), permutation.size());
  Shuffle op;
  op.first = std::move(permutation);
  return node.add_beside(std::move(op), {x}, "transposed");
}

Recurrent op_of(Node& node) {
  Recurrent op;
  op.kind = node.op_type() == "LSTM"  ? RecurrentKind::kLstm
            : node.op_type() == "GRU" ? RecurrentKind::kGru
                                      : RecurrentKind::kRnn;
  op.direction = direction_of(node);
  const std::vector<std::string> defaults[] = {
      {"Tanh"}, {"Sigmoid", "Tanh"}, {"Sigmoid", "Tanh", "Tanh"}};
  op.activations = functions_of(node, defaults[static_cast<size_t>(op.kind)],
                                op.direction == RecurrentDirection::kBidirectional ? 2 : 1);
  op.clip = node.number("clip", 0.0f);
  node.require(op.clip >= 0.0f, "attribute 'clip' is {}", op.clip);
  const bool lstm = op.kind == RecurrentKind::kLstm;
  if (lstm) op.input_forget = node.integer("input_forget", 0) != 0;
  if (op.kind == RecurrentKind::kGru) {
    op.linear_before_reset = node.integer("linear_before_reset", 0) != 0;
  }
  op.has_bias = node.has(3);
  op.has_lengths = node.has(4);
  op.has_initial_h = node.has(5);
  op.has_initial_c = lstm && node.has(6);
  op.has_peepholes = lstm && node.has(7);
  return op;
}

}  // namespace

void import_recurrent(Node& node) {
  const Recurrent op = op_of(node);
  const bool batch_first = node.integer("layout", 0) != 0;
  node.attribute("output_sequence");  // before opset 7; the file's outputs say it
  node.require(node.has(1) && node.has(2) && node.rank(2) == 3, "its recurrence has no three axes");
  const int64_t hidden = node.shape(2)[2];
  node.require(node.integer("hidden_size", hidden) == hidden,
               "attribute 'hidden_size' is {}, but its recurrence has {}",
               node.integer("hidden_size", hidden), hidden);
  std::vector<TensorId> inputs;
  for (int i = 0; i < node.input_count(); ++i) {
    if (i > 2 && !node.has(i)) continue;
    TensorId x = node.in(i);
    if (i == 4) x = node.cast(x, DataType::kInt32);
    if (batch_first && (i == 0 || i == 5 || i == 6)) x = transposed(node, x, {1, 0, 2});
    inputs.push_back(x);
  }
  const LayerId layer = node.add_layer(op, inputs);
  const std::vector<TensorId> outputs = node.network().outputs(layer);
  node.only_outputs(static_cast<int>(outputs.size()), "there is no such output");
  for (int i = 0; i < static_cast<int>(outputs.size()); ++i) {
    if (!node.wants(i)) continue;
    TensorId y = outputs[static_cast<size_t>(i)];
    if (batch_first) {
      y = transposed(node, y,
                     i == 0 ? std::vector<int64_t>{2, 0, 1, 3} : std::vector<int64_t>{1, 0, 2});
    }
    node.output(i, y);
  }
}

}  // namespace octile
