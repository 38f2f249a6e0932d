// LSTM, GRU and RNN of ONNX: attributes, optional inputs and outputs, both layouts.
#ifdef OCTILE_HAVE_ONNX
#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;

/// A hidden size of 1, all weights 1; x (T, N, 1).
Model rnn_model(const std::vector<int64_t>& x, int directions = 1) {
  Model m(14);
  m.input("x", x).floats("w", {directions, 1, 1}, Floats(static_cast<size_t>(directions), 1));
  m.floats("r", {directions, 1, 1}, Floats(static_cast<size_t>(directions), 1));
  return m;
}

NodeBuilder& strings(NodeBuilder& node, const std::string& name,
                     const std::vector<std::string>& s) {
  auto* attribute = node.proto().add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::STRINGS);
  for (const auto& value : s) attribute->add_strings(value);
  return node;
}

TEST(OnnxRecurrent, ActivationsTakeTheirNumbersInOrder) {
  Model m = rnn_model({1, 1, 1}, 2);
  m.output("y");
  NodeBuilder node = m.node("RNN", {"x", "w", "r"}, {"y"});
  // Relu takes no number, so the first alpha is Affine's
  strings(node, "activations", {"Relu", "Affine"}).floats("activation_alpha", {3});
  node.floats("activation_beta", {0.5f}).set("direction", "bidirectional").set("hidden_size", 1);
  EXPECT_EQ(list<float>(m.run({Tensor::floats({1, 1, 1}, {2})})[0]), (Floats{2, 6.5f}));
  auto* names = m.proto.mutable_graph()->mutable_node(0)->mutable_attribute(0);
  names->set_strings(0, "Gauss");
  EXPECT_TRUE(contains(m.error(ErrorCode::kUnsupported), "Gauss"));
  names->mutable_strings()->RemoveLast();
  EXPECT_TRUE(contains(m.error(ErrorCode::kInvalidFile), "1 activations"));
}

TEST(OnnxRecurrent, LayoutOneIsTheBatchFirst) {
  const Floats values{1, 2, 3, 4, 5, 6};
  const auto outputs = [&](int layout, const std::vector<int64_t>& x, const Tensor& value) {
    Model m = rnn_model(x);
    m.output("y").output("h");
    NodeBuilder node = m.node("RNN", {"x", "w", "r"}, {"y", "h"});
    strings(node, "activations", {"Affine"}).set("layout", layout);
    return m.run({value});
  };
  const auto sequence = outputs(0, {3, 2, 1}, Tensor::floats({3, 2, 1}, {1, 4, 2, 5, 3, 6}));
  const auto batch = outputs(1, {2, 3, 1}, Tensor::floats({2, 3, 1}, values));
  EXPECT_EQ(batch[0].shape(), (Shape{2, 3, 1, 1}));
  EXPECT_EQ(list<float>(batch[0]), (Floats{1, 3, 6, 4, 9, 15}));
  EXPECT_EQ(list<float>(sequence[0]), (Floats{1, 4, 3, 9, 6, 15}));
  EXPECT_EQ(batch[1].shape(), (Shape{2, 1, 1}));
  EXPECT_EQ(list<float>(batch[1]), (Floats{6, 15}));
}

TEST(OnnxRecurrent, UnknownBatchAndOnlyTheLastState) {
  Model m = rnn_model({3, -1, 1});
  m.output("h");
  m.node("RNN", {"x", "w", "r", "", ""}, {"", "h"})
      .set("hidden_size", 1)
      .set("direction", "reverse");
  const Network net = m.import();
  EXPECT_EQ(net.shape(net.outputs()[0]), (Shape{1, kDynamic, 1}));
  EXPECT_EQ(interpret(net, {Tensor::floats({3, 2, 1}, Floats(6, 0))})[0].shape(), (Shape{1, 2, 1}));
}

TEST(OnnxRecurrent, Refusals) {
  Model hidden = rnn_model({1, 1, 1});
  hidden.output("y");
  hidden.node("RNN", {"x", "w", "r"}, {"y"}).named("rnn").set("hidden_size", 7);
  EXPECT_TRUE(contains(hidden.error(ErrorCode::kInvalidFile), "hidden_size"));
  Model gates = rnn_model({1, 1, 1});
  gates.output("y");
  gates.node("LSTM", {"x", "w", "r"}, {"y"}).named("lstm");
  EXPECT_TRUE(contains(gates.error(ErrorCode::kInvalidFile), "'lstm'"));
  Model none = rnn_model({1, 1, 1});
  none.output("y");
  none.node("GRU", {"x"}, {"y"});
  EXPECT_TRUE(contains(none.error(ErrorCode::kInvalidFile), "recurrence"));
}

}  // namespace
}  // namespace octile::test
#endif
