// com.microsoft's quantized operators that are no products: quantize(f(dequantize(x))).
#include <cmath>
#include <functional>

#include "arithmetic/quantize.h"
#include "formats/onnx_quantized_models.h"

namespace octile::test {
namespace {

float real(uint8_t q, float scale, int32_t zero) { return dequantize_value(q, scale, zero); }

/// y = quantize(f(real inputs)) elementwise over one or two inputs of 64 values.
void expect_elementwise(const std::string& op, int inputs,
                        const std::function<float(float, float)>& f,
                        const std::function<void(NodeBuilder&)>& attributes = {}) {
  QuantizedModel model;
  std::vector<std::string> names;
  std::vector<Tensor> xs;
  for (int i = 0; i < inputs; ++i) {
    const std::string name = i == 0 ? "a" : "b";
    model.input(name, {1, 64}, kU8);
    names.insert(names.end(), {name, model.scale(i == 0 ? 0.02f : 0.03f), model.zero(100 + i)});
    xs.push_back(bytes_of({1, 64}, static_cast<uint64_t>(i) + 1));
  }
  names.insert(names.end(), {model.scale(0.03f), model.zero(120)});
  NodeBuilder node = model.node(op, names, {"y"}).domain(kMicrosoft);
  if (attributes) attributes(node);
  model.output("y");
  const Tensor y = model.run(xs)[0];
  for (int64_t i = 0; i < 64; ++i) {
    const float a = real(xs[0].as<uint8_t>()[i], 0.02f, 100);
    const float b = inputs == 2 ? real(xs[1].as<uint8_t>()[i], 0.03f, 101) : 0.0f;
    ASSERT_EQ(y.as<uint8_t>()[i], quantize_value(f(a, b), 0.03f, 120, 0, 255)) << op << " " << i;
  }
}

TEST(OnnxQlinear, ElementwiseOperators) {
  expect_elementwise("QLinearAdd", 2, [](float a, float b) { return a + b; });
  expect_elementwise("QLinearMul", 2, [](float a, float b) { return a * b; });
  expect_elementwise("QLinearSigmoid", 1,
                     [](float a, float) { return 1.0f / (1.0f + std::exp(-a)); });
  expect_elementwise(
      "QLinearLeakyRelu", 1, [](float a, float) { return a < 0 ? 0.2f * a : a; },
      [](NodeBuilder& node) { node.set("alpha", 0.2f); });
}

TEST(OnnxQlinear, Pools) {
  for (const char* op : {"QLinearGlobalAveragePool", "QLinearAveragePool"}) {
    QuantizedModel model;
    model.input("x", {1, 1, 2, 2}, kU8).output("y");
    NodeBuilder node = model.node(
        op, {"x", model.scale(0.5f), model.zero(3), model.scale(0.25f), model.zero(7)}, {"y"});
    node.domain(kMicrosoft);
    if (std::string_view(op) == "QLinearAveragePool") node.ints("kernel_shape", {2, 2});
    const Tensor y = model.run({values<uint8_t>({1, 1, 2, 2}, {3, 5, 6, 10})})[0];
    EXPECT_EQ(list<uint8_t>(y), (std::vector<uint8_t>{13}));  // (0 + 2 + 3 + 7) / 4 · 0.5 = 1.5
    node.set("channels_last", 1);
    EXPECT_NE(model.error(ErrorCode::kUnsupported).find("(N, C, …)"), std::string::npos);
  }
}

TEST(OnnxQlinear, ConcatTakesEveryInputsOwnGrid) {
  QuantizedModel model;
  model.input("a", {1, 2}, kU8).input("b", {1, 1}, kU8).output("y");
  model
      .node("QLinearConcat",
            {model.scale(0.5f), model.zero(10), "a", model.scale(1.0f), model.zero(0), "b",
             model.scale(0.25f), model.zero(4)},
            {"y"})
      .set("axis", 1)
      .domain(kMicrosoft);
  const Tensor y = model.run({values<uint8_t>({1, 2}, {3, 200}), values<uint8_t>({1, 1}, {8})})[0];
  EXPECT_EQ(list<uint8_t>(y), (std::vector<uint8_t>{16, 255, 12}));
}

TEST(OnnxQlinear, SoftmaxOfOldOperatorSetsIsOverAllFollowingAxes) {
  for (const int opset : {12, 13}) {
    QuantizedModel model;
    model.input("x", {1, 2, 2}, kU8).output("y");
    model
        .node("QLinearSoftmax",
              {"x", model.scale(1.0f), model.zero(0), model.scale(0.01f), model.zero(0)}, {"y"})
        .set("axis", 1)
        .set("opset", opset)
        .domain(kMicrosoft);
    const Tensor y = model.run({values<uint8_t>({1, 2, 2}, {5, 5, 5, 5})})[0];
    EXPECT_EQ(y.as<uint8_t>()[0], opset == 12 ? 25 : 50);
  }
}

}  // namespace
}  // namespace octile::test
