// Element-wise operators, activations and matrix products from ONNX, against <cmath> and by hand.
#ifdef OCTILE_HAVE_ONNX
#include <cmath>
#include <functional>
#include <limits>

#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;
constexpr float kInf = std::numeric_limits<float>::infinity();

struct UnaryCase {
  const char* op_type;
  double (*f)(double);
};

const UnaryCase kUnaryCases[] = {
    {"Exp", std::exp},
    {"Log", std::log},
    {"Sqrt", std::sqrt},
    {"Reciprocal", [](double x) { return 1 / x; }},
    {"Abs", std::fabs},
    {"Neg", [](double x) { return -x; }},
    {"Sin", std::sin},
    {"Cos", std::cos},
    {"Tan", std::tan},
    {"Sinh", std::sinh},
    {"Cosh", std::cosh},
    {"Asin", std::asin},
    {"Acos", std::acos},
    {"Atan", std::atan},
    {"Asinh", std::asinh},
    {"Atanh", std::atanh},
    {"Ceil", std::ceil},
    {"Floor", std::floor},
    {"Erf", std::erf},
    {"Round", std::nearbyint},
    {"Sign", [](double x) { return x > 0   ? 1.0
                                   : x < 0 ? -1.0
                                           : 0.0; }},
    {"Relu", [](double x) { return x > 0 ? x : 0; }},
    {"LeakyRelu", [](double x) { return x > 0 ? x : 0.01 * x; }},
    {"Elu", [](double x) { return x > 0 ? x : std::expm1(x); }},
    {"Selu",
     [](double x) {
       return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * std::expm1(x));
     }},
    {"Sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }},
    {"HardSigmoid", [](double x) { return std::fmin(1, std::fmax(0, 0.2 * x + 0.5)); }},
    {"HardSwish", [](double x) { return x * std::fmin(1, std::fmax(0, x / 6 + 0.5)); }},
    {"Tanh", std::tanh},
    {"Softsign", [](double x) { return x / (1 + std::fabs(x)); }},
    {"Softplus", [](double x) { return std::log1p(std::exp(x)); }},
    {"ThresholdedRelu", [](double x) { return x > 1 ? x : 0; }},
    {"Mish", [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }},
    {"Gelu", [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }},
};

TEST(OnnxUnary, EveryFunctionMatchesItsFormula) {
  const Floats x = {-3.5f, -1.25f, -0.75f, -0.5f, 0.25f, 0.5f, 0.875f, 1.5f, 2.5f, 4};
  for (const UnaryCase& c : kUnaryCases) {
    SCOPED_TRACE(c.op_type);
    Model m(20);
    m.input("x", {10}).output("y");
    m.node(c.op_type, {"x"}, {"y"});
    std::vector<double> expected;
    for (const float v : x) expected.push_back(c.f(static_cast<double>(v)));
    expect_close(m.run({Tensor::floats({10}, x)})[0], expected, 2e-6, 2e-6);
  }
  Model m;
  m.input("x", {2}).output("y");
  m.node("Acosh", {"x"}, {"y"});
  expect_close(m.run({Tensor::floats({2}, {1, 3})})[0], {0, std::acosh(3.0)}, 1e-6);
}

TEST(OnnxActivation, AttributesAreRead) {
  const auto run = [](const char* op_type, const std::function<void(NodeBuilder)>& set) {
    Model m;
    m.input("x", {3}).output("y");
    set(m.node(op_type, {"x"}, {"y"}));
    return list<float>(m.run({Tensor::floats({3}, {-2, 0.5f, 2})})[0]);
  };
  EXPECT_EQ(run("LeakyRelu", [](NodeBuilder n) { n.set("alpha", 0.5f); }), (Floats{-1, 0.5f, 2}));
  EXPECT_EQ(run("ThresholdedRelu", [](NodeBuilder n) { n.set("alpha", 0.25f); }),
            (Floats{0, 0.5f, 2}));
  EXPECT_EQ(run("HardSigmoid", [](NodeBuilder n) { n.set("alpha", 0.5f).set("beta", 0.25f); }),
            (Floats{0, 0.5f, 1}));
}

TEST(OnnxClip, BoundsAreAttributesThenInputs) {
  const Tensor x = Tensor::floats({4}, {-5, -1, 1, 5});
  Model old(10);
  old.input("x", {4}).output("y");
  old.node("Clip", {"x"}, {"y"}).set("min", -2.0f).set("max", 3.0f);
  EXPECT_EQ(list<float>(old.run({x})[0]), (Floats{-2, -1, 1, 3}));
  Model inputs;
  inputs.input("x", {4}).output("y").floats("hi", {}, {3});
  inputs.node("Clip", {"x", "", "hi"}, {"y"});
  EXPECT_EQ(list<float>(inputs.run({x})[0]), (Floats{-5, -1, 1, 3}));
  Model computed;  // bounds that a node computes
  computed.input("x", {4}).output("y").floats("six", {}, {6});
  computed.node("Constant", {}, {"zero"}).set("value_float", 0.0f);
  computed.node("Identity", {"six"}, {"hi"});
  computed.node("Clip", {"x", "zero", "hi"}, {"y"});
  const Network net = computed.import();
  EXPECT_EQ(net.layers().size(), 1u) << net.to_string();
  EXPECT_EQ(list<float>(interpret(net, {Tensor::floats({4}, {-5, 1, 6, 7})})[0]),
            (Floats{0, 1, 6, 6}));
}

TEST(OnnxBinary, ArithmeticBroadcasts) {
  const std::pair<const char*, Floats> cases[] = {
      {"Add", {3, 5, 5, 7}},  {"Sub", {-1, -3, 1, -1}},
      {"Mul", {2, 4, 6, 12}}, {"Div", {0.5f, 0.25f, 1.5f, 0.75f}},
      {"Pow", {1, 1, 9, 81}}, {"Min", {1, 1, 2, 3}},
      {"Max", {2, 4, 3, 4}}};
  for (const auto& [op_type, expected] : cases) {
    Model m;
    m.input("a", {2, 1}).output("y").floats("b", {2}, {2, 4});
    m.node(op_type, {"a", "b"}, {"y"});
    EXPECT_EQ(list<float>(m.run({Tensor::floats({2, 1}, {1, 3})})[0]), expected) << op_type;
  }
}

TEST(OnnxBinary, ComparisonsAndLogic) {
  Model m;
  m.input("a", {3}).input("b", {3});
  for (const char* op : {"Equal", "Greater", "Less"}) m.node(op, {"a", "b"}, {op});
  m.node("Or", {"Equal", "Greater"}, {"Or"});
  m.node("And", {"Or", "Less"}, {"And"});
  m.node("Xor", {"Or", "Less"}, {"Xor"});
  m.node("Not", {"Equal"}, {"Not"});
  for (const char* op : {"Equal", "Greater", "Less", "Or", "And", "Xor", "Not"}) m.output(op);
  const auto y = m.run({Tensor::floats({3}, {1, 2, 3}), Tensor::floats({3}, {2, 2, 2})});
  const std::vector<std::vector<bool>> expected = {{0, 1, 0}, {0, 0, 1}, {1, 0, 0}, {0, 1, 1},
                                                   {0, 0, 0}, {1, 1, 1}, {1, 0, 1}};
  for (size_t i = 0; i < expected.size(); ++i) {
    for (size_t k = 0; k < 3; ++k) EXPECT_EQ(y[i].as<bool>()[k], expected[i][k]) << i << " " << k;
  }
}

TEST(OnnxBinary, ModOfIntegersAndFloats) {
  for (const int fmod : {0, 1}) {
    Model m;
    m.input("a", {4}, onnx::TensorProto::INT64).output("y").int64s("b", {3, -3, 3, -3});
    m.node("Mod", {"a", "b"}, {"y"}).set("fmod", fmod);
    const Tensor a = Tensor::int64s({-4, 4, 4, -4});
    const std::vector<int64_t> expected =
        fmod ? std::vector<int64_t>{-1, 1, 1, -1} : std::vector<int64_t>{2, -2, 1, -1};
    EXPECT_EQ(list<int64_t>(m.run({a})[0]), expected) << fmod;
  }
  Model f;
  f.input("a", {2}).output("y").floats("b", {}, {3});
  f.node("Mod", {"a", "b"}, {"y"}).set("fmod", 1);
  EXPECT_EQ(list<float>(f.run({Tensor::floats({2}, {-4, 4.5f})})[0]), (Floats{-1, 1.5f}));
}

TEST(OnnxUnary, InfinitiesAndNan) {
  Model m(13);
  m.input("x", {4}).output("inf").output("below").output("nan");
  m.node("IsInf", {"x"}, {"inf"});
  m.node("IsInf", {"x"}, {"below"}).set("detect_positive", 0);
  m.node("IsNaN", {"x"}, {"nan"});
  const auto y = m.run({Tensor::floats({4}, {1, kInf, -kInf, std::nanf("")})});
  const bool expected[3][4] = {{0, 1, 1, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t k = 0; k < 4; ++k) EXPECT_EQ(y[i].as<bool>()[k], expected[i][k]) << i << " " << k;
  }
}

TEST(OnnxGemm, AlphaBetaAndTransposes) {
  Model m;
  m.input("a", {2, 1})
      .output("y")
      .floats("b", {3, 2}, {1, 2, 3, 4, 5, 6})
      .floats("c", {3}, {1, 0, -1});
  m.node("Gemm", {"a", "b", "c"}, {"y"})
      .set("transA", 1)
      .set("transB", 1)
      .set("alpha", 2.0f)
      .set("beta", 10.0f);
  // a' = (1, 10): 2 · (21, 43, 65) + 10 · c
  EXPECT_EQ(list<float>(m.run({Tensor::floats({2, 1}, {1, 10})})[0]), (Floats{52, 86, 120}));
}

TEST(OnnxGemm, BiasOfEveryShape) {
  for (const std::vector<int64_t>& dims :
       std::vector<std::vector<int64_t>>{{}, {1}, {2}, {1, 2}, {2, 1}, {2, 2}}) {
    Model m;
    int64_t volume = 1;
    for (const int64_t d : dims) volume *= d;
    m.input("a", {2, 1}).output("y").floats("b", {1, 2}, {1, 2});
    m.floats("c", dims, Floats(static_cast<size_t>(volume), 5.0f));
    m.node("Gemm", {"a", "b", "c"}, {"y"});
    EXPECT_EQ(list<float>(m.run({Tensor::floats({2, 1}, {1, 3})})[0]), (Floats{6, 7, 8, 11}));
  }
}

TEST(OnnxGemm, OneBiasForVeryManyColumnsIsNotWrittenOut) {
  Model m;
  m.input("a", {1, 1}).input("b", {1, INT32_MAX}).output("y").floats("c", {}, {5});
  m.node("Gemm", {"a", "b", "c"}, {"y"});
  const Network network = m.import();
  EXPECT_EQ(network.shape(network.outputs()[0]), (Shape{1, INT32_MAX}));
}

TEST(OnnxMatMul, BatchesBroadcast) {
  Model m;
  m.input("a", {2, 1, 2}).output("y").floats("b", {2, 1}, {1, 10});
  m.node("MatMul", {"a", "b"}, {"y"});
  const Tensor y = m.run({Tensor::floats({2, 1, 2}, {1, 2, 3, 4})})[0];
  EXPECT_EQ(y.shape(), (Shape{2, 1, 1}));
  EXPECT_EQ(list<float>(y), (Floats{21, 43}));
}

TEST(OnnxWhere, PicksAndCasts) {
  Model m;
  m.input("x", {3}).output("y").floats("zero", {}, {0});
  m.node("Cast", {"x"}, {"flag"}).set("to", static_cast<int>(onnx::TensorProto::BOOL));
  m.node("Where", {"flag", "x", "zero"}, {"z"});
  m.node("Cast", {"z"}, {"y"}).set("to", static_cast<int>(onnx::TensorProto::INT64));
  EXPECT_EQ(list<int64_t>(m.run({Tensor::floats({3}, {-1.5f, 0, 2.75f})})[0]),
            (std::vector<int64_t>{-1, 0, 2}));
}

}  // namespace
}  // namespace octile::test
#endif
