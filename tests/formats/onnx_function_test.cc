// Functions of the model (FunctionProto) are inlined where they are called.
#ifdef OCTILE_HAVE_ONNX
#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;

/// y = my.leaky(x): function leaky(a) <alpha> { t = LeakyRelu(a); b = Add(t, t) }
Model function_model() {
  Model m(16);
  auto* import = m.proto.add_opset_import();
  import->set_domain("my");
  import->set_version(1);
  auto* function = m.proto.add_functions();
  function->set_name("leaky");
  function->set_domain("my");
  function->add_input("a");
  function->add_output("b");
  function->add_attribute("alpha");
  function->add_opset_import()->set_version(16);
  auto* relu = function->add_node();
  relu->set_op_type("LeakyRelu");
  relu->set_name("relu");
  relu->add_input("a");
  relu->add_output("t");
  auto* alpha = relu->add_attribute();
  alpha->set_name("alpha");
  alpha->set_ref_attr_name("alpha");
  alpha->set_type(onnx::AttributeProto::FLOAT);
  auto* add = function->add_node();
  add->set_op_type("Add");
  add->add_input("t");
  add->add_input("t");
  add->add_output("b");
  m.input("x", {2}).output("y");
  m.node("leaky", {"x"}, {"y"}).domain("my").named("call").set("alpha", 0.5f);
  return m;
}

TEST(OnnxFunction, IsInlinedWithTheCallsAttributes) {
  const Tensor x = Tensor::floats({2}, {-4, 3});
  Model m = function_model();
  const Network net = m.import();
  EXPECT_EQ(list<float>(interpret(net, {x})[0]), (Floats{-4, 6}));
  EXPECT_EQ(net.name(net.outputs()[0]), "y");
  EXPECT_TRUE(net.find_layer("call/relu"));
  m.proto.mutable_graph()->mutable_node(0)->clear_attribute();  // the operator's own default
  EXPECT_NEAR(list<float>(m.run({x})[0])[0], -0.08f, 1e-6);
}

TEST(OnnxFunction, AttributeDefaultsOfNewerFiles) {
  Model m = function_model();
  m.proto.mutable_graph()->mutable_node(0)->clear_attribute();
  onnx::AttributeProto standard;
  standard.set_name("alpha");
  standard.set_type(onnx::AttributeProto::FLOAT);
  standard.set_f(0.25f);
  auto* function = m.proto.mutable_functions(0);
  function->GetReflection()->MutableUnknownFields(function)->AddLengthDelimited(
      11, standard.SerializeAsString());
  EXPECT_EQ(list<float>(m.run({Tensor::floats({2}, {-4, 3})})[0]), (Floats{-2, 6}));
}

TEST(OnnxFunction, CallsInCallsAndSharedWeights) {
  Model m(16);
  auto* outer = m.proto.add_functions();
  outer->set_name("twice");
  outer->set_domain("my");
  for (const char* name : {"a", "w", "unused"}) outer->add_input(name);
  outer->add_output("c");
  const auto call = [&](const std::string& from, const std::string& to) {
    auto* node = outer->add_node();
    node->set_op_type("add");
    node->set_domain("my");
    node->add_input(from);
    node->add_input("w");
    node->add_output(to);
  };
  call("a", "b");
  call("b", "c");
  auto* inner = m.proto.add_functions();
  inner->set_name("add");
  inner->set_domain("my");
  inner->add_input("p");
  inner->add_input("q");
  inner->add_output("r");
  auto* node = inner->add_node();
  node->set_op_type("Add");
  node->add_input("p");
  node->add_input("q");
  node->add_output("r");
  m.input("x", {2}).output("y").floats("weights", {2}, {1, 2});
  m.node("twice", {"x", "weights"}, {"y"}).domain("my").named("outer");
  const Network net = m.import();
  EXPECT_EQ(list<float>(interpret(net, {Tensor::floats({2}, {0, 0})})[0]), (Floats{2, 4}));
  int constants = 0;
  for (const LayerId layer : net.layers()) {
    constants += std::holds_alternative<Constant>(net.op(layer));
  }
  EXPECT_EQ(constants, 1) << net.to_string();
}

TEST(OnnxFunction, Refusals) {
  Model loop = function_model();  // a function that calls itself
  auto* node = loop.proto.mutable_functions(0)->mutable_node(1);
  node->set_op_type("leaky");
  node->set_domain("my");
  node->mutable_input()->RemoveLast();
  EXPECT_TRUE(contains(loop.error(ErrorCode::kUnsupported), "calls itself"));
  Model lacking = function_model();
  lacking.proto.mutable_functions(0)->mutable_node(1)->set_op_type("Nonsense");
  const std::string text = lacking.error(ErrorCode::kUnsupported);
  EXPECT_TRUE(contains(text, "Nonsense"));
  EXPECT_TRUE(contains(text, "call/"));
  Model inputs = function_model();
  inputs.proto.mutable_graph()->mutable_node(0)->add_input("x");
  EXPECT_TRUE(contains(inputs.error(ErrorCode::kInvalidFile), "leaky"));
  Model output = function_model();
  output.proto.mutable_functions(0)->set_output(0, "nothing");
  EXPECT_TRUE(contains(output.error(ErrorCode::kInvalidFile), "'nothing'"));
}

TEST(OnnxFunction, DoublingCallsAreBounded) {
  Model m(16);
  for (int level = 0; level < 40; ++level) {  // 2^40 nodes
    auto* function = m.proto.add_functions();
    function->set_name("f" + std::to_string(level));
    function->set_domain("my");
    function->add_input("a");
    function->add_output("c");
    for (int i = 0; i < 2; ++i) {
      auto* node = function->add_node();
      node->set_op_type(level == 39 ? "Relu" : "f" + std::to_string(level + 1));
      node->set_domain(level == 39 ? "" : "my");
      node->add_input(i == 0 ? "a" : "b");
      node->add_output(i == 0 ? "b" : "c");
    }
  }
  m.input("x", {2}).output("y");
  m.node("f0", {"x"}, {"y"}).domain("my");
  EXPECT_TRUE(contains(m.error(ErrorCode::kUnsupported), "too much work"));
}

}  // namespace
}  // namespace octile::test
#endif
