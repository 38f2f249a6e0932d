// If, Loop and Scan: inlined and unrolled at import, or one clear error.
#ifdef OCTILE_HAVE_ONNX
#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using onnx::TensorProto;
using Floats = std::vector<float>;

/// A subgraph under construction: a Model of which only the graph counts.
void put(NodeBuilder node, const std::string& name, const Model& body) {
  auto* attribute = node.proto().add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::GRAPH);
  *attribute->mutable_g() = body.proto.graph();
}

/// y = c ? x + w : -x
Model if_model() {
  Model then, otherwise, m(16);
  then.output("sum");
  then.node("Add", {"x", "w"}, {"sum"}).named("add");
  otherwise.output("neg");
  otherwise.node("Neg", {"x"}, {"neg"});
  m.input("x", {2}).input("c", {}, TensorProto::BOOL).output("y").floats("w", {2}, {10, 20});
  NodeBuilder node = m.node("If", {"c"}, {"y"}).named("if");
  put(node, "then_branch", then);
  put(node, "else_branch", otherwise);
  return m;
}

OnnxOptions with(const std::string& name, Tensor value) {
  OnnxOptions options;
  options.constants.emplace(name, std::move(value));
  return options;
}

Tensor boolean(bool value) {
  Tensor tensor(DataType::kBool, Shape{});
  *tensor.as<uint8_t>() = value;
  return tensor;
}

TEST(OnnxIf, TheConditionChoosesAtImport) {
  const Tensor x = Tensor::floats({2}, {1, 2});
  const Network net = if_model().import(with("c", boolean(true)));
  EXPECT_EQ(list<float>(interpret(net, {x})[0]), (Floats{11, 22}));
  EXPECT_EQ(net.name(net.outputs()[0]), "y");
  EXPECT_TRUE(net.find_tensor("w"));
  EXPECT_EQ(list<float>(if_model().run({x}, with("c", boolean(false)))[0]), (Floats{-1, -2}));
  const std::string text = if_model().error(ErrorCode::kUnsupported);
  EXPECT_TRUE(contains(text, "'if'"));
  EXPECT_TRUE(contains(text, "--constant c=VALUE"));
}

TEST(OnnxIf, OnlyTheBranchTakenIsLookedAt) {
  Model m = if_model();
  auto* otherwise = m.proto.mutable_graph()->mutable_node(0)->mutable_attribute(1)->mutable_g();
  otherwise->mutable_node(0)->set_op_type("Nonsense");
  m.import(with("c", boolean(true)));
  const std::string text =
      message_of([&] { m.import(with("c", boolean(false))); }, ErrorCode::kUnsupported);
  EXPECT_TRUE(contains(text, "Nonsense"));
}

TEST(OnnxIf, OfShapesAndOfNamesThatTheBranchHides) {
  // if x has rank-1 extent 2, y = relu(x): the branch's own 'y' and 'w' hide those outside
  Model then, otherwise, m(13);
  then.output("y").floats("w", {1}, {100});
  then.node("Add", {"x", "w"}, {"y"});
  otherwise.output("y");
  otherwise.node("Neg", {"x"}, {"y"});
  m.input("x", {-1, 2}).output("z").floats("w", {1}, {1}).int64s("one", {1}).int64s("two", {2});
  m.node("Shape", {"x"}, {"shape"});
  m.node("Gather", {"shape", "one"}, {"extent"});
  m.node("Equal", {"extent", "two"}, {"is_two"});
  NodeBuilder node = m.node("If", {"is_two"}, {"y"});
  put(node, "then_branch", then);
  put(node, "else_branch", otherwise);
  m.node("Add", {"y", "w"}, {"z"});
  EXPECT_EQ(list<float>(m.run({Tensor::floats({1, 2}, {1, 2})})[0]), (Floats{102, 103}));
}

/// Runs `n` times: v = v + w (from outside), scan: v · i
Model loop_model(int64_t n) {
  Model body, m(13);
  body.input("i", {}, TensorProto::INT64).input("go", {}, TensorProto::BOOL).input("v", {2});
  body.output("go_out").output("v_out").output("scan");
  body.node("Identity", {"go"}, {"go_out"});
  body.node("Add", {"v", "w"}, {"v_out"}).named("add");
  body.node("Cast", {"i"}, {"i_float"}).set("to", TensorProto::FLOAT);
  body.node("Mul", {"v_out", "i_float"}, {"scan"});
  m.input("x", {2}).output("last").output("all").floats("w", {2}, {1, 10}).int64s("n", {}, {n});
  put(m.node("Loop", {"n", "", "x"}, {"last", "all"}).named("loop"), "body", body);
  return m;
}

TEST(OnnxLoop, IsUnrolled) {
  const Model m = loop_model(3);
  const Network net = m.import();
  const auto y = interpret(net, {Tensor::floats({2}, {0, 0})});
  EXPECT_EQ(list<float>(y[0]), (Floats{3, 30}));
  EXPECT_EQ(y[1].shape(), (Shape{3, 2}));
  EXPECT_EQ(list<float>(y[1]), (Floats{0, 0, 2, 20, 6, 60}));
  EXPECT_EQ(net.name(net.outputs()[0]), "last");
  EXPECT_TRUE(net.find_layer("loop[1]/add")) << net.to_string();
  EXPECT_TRUE(net.find_tensor("w"));
  EXPECT_FALSE(net.find_tensor("w#2"));  // one constant for all iterations
}

TEST(OnnxLoop, BoundsAndRefusals) {
  EXPECT_TRUE(contains(loop_model(INT64_MAX).error(ErrorCode::kUnsupported), "too much work"));
  EXPECT_TRUE(contains(loop_model(0).error(ErrorCode::kUnsupported), "no iteration"));
  Model open = loop_model(3);
  open.proto.mutable_graph()->mutable_initializer()->RemoveLast();
  open.input("n", {}, TensorProto::INT64);
  EXPECT_TRUE(contains(open.error(ErrorCode::kUnsupported), "--constant n=VALUE"));
  EXPECT_EQ(open.run({Tensor::floats({2}, {0, 0})}, with("n", Tensor::int64s({2})))[1].shape(),
            (Shape{2, 2}));
  Model endless = loop_model(3);
  endless.proto.mutable_graph()->mutable_node(0)->set_input(0, "");
  EXPECT_TRUE(contains(endless.error(ErrorCode::kInvalidFile), "never ends"));
  Model fewer = loop_model(3);
  fewer.proto.mutable_graph()->mutable_node(0)->add_input("x");
  EXPECT_TRUE(contains(fewer.error(ErrorCode::kInvalidFile), "'loop'"));
}

TEST(OnnxLoop, AWhileLoopWhoseConditionIsKnown) {
  // counts 1, 2, 4, … while below 20; then the same with a condition computed from x
  Model body, m(13);
  body.input("i", {}, TensorProto::INT64).input("go", {}, TensorProto::BOOL);
  body.input("v", {}, TensorProto::INT64).output("again").output("twice");
  body.int64s("most", {}, {20});
  body.node("Add", {"v", "v"}, {"twice"});
  body.node("Less", {"twice", "most"}, {"again"});
  m.output("y").int64s("one", {}, {1}).int32s("yes", {}, {1}, TensorProto::BOOL);
  put(m.node("Loop", {"", "yes", "one"}, {"y"}).named("loop"), "body", body);
  EXPECT_EQ(list<int64_t>(m.run({})[0]), std::vector<int64_t>{32});
  Model open = m;
  open.input("x", {}, TensorProto::INT64);
  open.proto.mutable_graph()->mutable_node(0)->set_input(2, "x");
  EXPECT_TRUE(contains(open.error(ErrorCode::kUnsupported), "whether it goes on"));
}

TEST(OnnxScan, AxesDirectionsAndStates) {
  // s = s + x[:, t], backwards; y = s along axis 1, the last step first
  Model body, m(11);
  body.input("s", {2}).input("x_t", {2}).output("s_out").output("y_t");
  body.node("Add", {"s", "x_t"}, {"s_out"});
  body.node("Identity", {"s_out"}, {"y_t"});
  m.input("s0", {2}).input("x", {2, 3}).output("s").output("y");
  NodeBuilder node = m.node("Scan", {"s0", "x"}, {"s", "y"}).named("scan");
  node.set("num_scan_inputs", 1).ints("scan_input_axes", {-1}).ints("scan_input_directions", {1});
  node.ints("scan_output_axes", {1}).ints("scan_output_directions", {1});
  put(node, "body", body);
  const auto y = m.run({Tensor::floats({2}, {0, 100}), Tensor::floats({2, 3}, {1, 2, 3, 4, 5, 6})});
  EXPECT_EQ(list<float>(y[0]), (Floats{6, 115}));
  EXPECT_EQ(list<float>(y[1]), (Floats{6, 5, 3, 115, 111, 106}));
  Model open = m;
  open.proto.mutable_graph()
      ->mutable_input(1)
      ->mutable_type()
      ->mutable_tensor_type()
      ->clear_shape();
  auto* shape = open.proto.mutable_graph()->mutable_input(1)->mutable_type()->mutable_tensor_type();
  shape->mutable_shape()->add_dim()->set_dim_value(2);
  shape->mutable_shape()->add_dim()->set_dim_param("t");
  EXPECT_TRUE(contains(open.error(ErrorCode::kUnsupported), "unknown extent"));
}

TEST(OnnxControl, NestingIsBounded) {
  Model inner = loop_model(10);
  for (int depth = 0; depth < 5; ++depth) {
    Model body, m(13);
    body.input("i", {}, TensorProto::INT64).input("go", {}, TensorProto::BOOL).input("x", {2});
    body.output("go").output("last");
    for (const auto& node : inner.proto.graph().node()) {
      *body.proto.mutable_graph()->add_node() = node;
    }
    m.input("x", {2}).output("last").output("all").floats("w", {2}, {1, 10}).int64s("n", {}, {10});
    put(m.node("Loop", {"n", "", "x"}, {"last"}).named("loop"), "body", body);
    m.proto.mutable_graph()->mutable_output()->RemoveLast();
    inner = m;
  }
  // 10^6 iterations in a file of a few hundred bytes
  EXPECT_TRUE(contains(inner.error(ErrorCode::kUnsupported), "too much work"));
}

}  // namespace
}  // namespace octile::test
#endif
