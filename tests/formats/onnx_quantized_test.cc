// Quantized ONNX operators against integer arithmetic written out, and refusals that name the node.
#include <algorithm>
#include <cmath>

#include "formats/onnx_quantized_models.h"

namespace octile::test {
namespace {

TEST(OnnxQuantized, IntegerProductsAreExactBeyondFloats) {
  Model model;
  const int64_t k = 1001;
  const std::vector<int32_t> ones(static_cast<size_t>(k), 255);
  model.input("a", {1, k}, kU8)
      .int32s("b", {k, 1}, ones, kU8)
      .int32s("z", {}, {0}, kU8)
      .output("y");
  model.node("MatMulInteger", {"a", "b", "z"}, {"y"});
  Tensor a = bytes_of({1, k}, 1);
  int64_t expected = 0;
  for (int64_t i = 0; i < k; ++i) {
    a.as<uint8_t>()[i] |= 0x81;  // odd and large
    expected += 255 * int64_t{a.as<uint8_t>()[i]};
  }
  ASSERT_GT(expected, int64_t{1} << 24);
  ASSERT_EQ(expected % 2, 1);
  const Tensor y = model.run({a})[0];
  EXPECT_EQ(list<int32_t>(y), (std::vector<int32_t>{static_cast<int32_t>(expected)}));
}

TEST(OnnxQuantized, ConvIntegerPadsWithTheZeroPoint) {
  Model model;
  model.input("x", {1, 1, 1, 3}, kU8).int32s("w", {2, 1, 1, 3}, {1, 2, 3, 4, 5, 6}, kU8);
  model.int32s("zx", {}, {10}, kU8).int32s("zw", {2}, {1, 4}, kU8).output("y");
  model.node("ConvInteger", {"x", "w", "zx", "zw"}, {"y"}).ints("pads", {0, 1, 0, 1});
  const Tensor y = model.run({values<uint8_t>({1, 1, 1, 3}, {11, 12, 13})})[0];
  EXPECT_EQ(list<int32_t>(y), (std::vector<int32_t>{5, 8, 3, 5, 8, 3}));
}

TEST(OnnxQuantized, ConvolutionWithPerChannelWeightsAndBias) {
  QuantizedModel model;
  const std::vector<int32_t> w{-3, 100, 7, -120, 55, 2};
  model.input("x", {1, 2, 1, 2}, kU8).int32s("w", {3, 2, 1, 1}, w, kI8);
  model.floats("ws", {3}, {0.01f, 0.02f, 0.005f}).int32s("wz", {3}, {0, 0, 0}, kI8);
  model.int32s("b", {3}, {1000, -77, 5}, kI32).output("y");
  model.node("QLinearConv",
             {"x", model.scale(0.02f), model.zero(100), "w", "ws", "wz", model.scale(0.05f),
              model.zero(30), "b"},
             {"y"});
  const std::vector<uint8_t> x{0, 255, 17, 130};
  const Tensor y = model.run({values<uint8_t>({1, 2, 1, 2}, x)})[0];
  const float scales[] = {0.01f, 0.02f, 0.005f};
  const int32_t biases[] = {1000, -77, 5};
  for (size_t c = 0; c < 3; ++c) {
    for (size_t p = 0; p < 2; ++p) {
      const int32_t sum = (x[p] - 100) * w[2 * c] + (x[2 + p] - 100) * w[2 * c + 1] + biases[c];
      const double v = sum * double{0.02f} * double{scales[c]} / double{0.05f};
      const double q = std::clamp(std::nearbyint(v) + 30, 0.0, 255.0);
      EXPECT_EQ(y.as<uint8_t>()[c * 2 + p], q) << v;
    }
  }
}

TEST(OnnxQuantized, ConvolutionRefusesScalesOfUnknownExtent) {
  QuantizedModel model;
  model.input("x", {1, 1, 2, 2}, kU8).input("s", {-1}).int32s("w", {1, 1, 1, 1}, {1}, kI8);
  model.output("y");
  model.node(
      "QLinearConv",
      {"x", "s", model.zero(0), "w", model.scale(1.0f), "w", model.scale(1.0f), model.zero(0)},
      {"y"});
  const std::string text = message_of([&] { model.import(); }, ErrorCode::kInvalidFile);
  EXPECT_TRUE(contains(text, "scales of input and output")) << text;
}

TEST(OnnxQuantized, UnsignedWeightsWithAZeroPointPerChannel) {
  Model model;
  model.int32s("w", {2, 2}, {0, 10, 200, 255}, kU8).floats("s", {2}, {0.5f, 2.0f});
  model.int32s("z", {2}, {100, 200}, kU8).input("x", {1, 2}).output("y");
  model.node("DequantizeLinear", {"w", "s", "z"}, {"d"}).set("axis", 0);
  model.node("MatMul", {"x", "d"}, {"y"});
  const Network network = model.import();
  int dequantize = 0;
  for (const LayerId layer : network.layers()) {
    dequantize += std::holds_alternative<Dequantize>(network.op(layer)) ? 1 : 0;
  }
  EXPECT_EQ(dequantize, 1);  // so that lowering sees integers
  const Tensor y = model.run({Tensor::floats({1, 2}, {1.0f, 1.0f})})[0];
  EXPECT_EQ(list<float>(y), (std::vector<float>{-50.0f + 0.0f, -45.0f + 110.0f}));
}

/// ONNX Runtime's quantizer writes even Pad's value so.
TEST(OnnxQuantized, PadTakesItsValueThroughDequantizeLinear) {
  QuantizedModel model;
  model.input("x", {1, 2}).int64s("pads", {0, 1, 0, 0}).int32s("q", {}, {7}, kU8).output("y");
  model.node("DequantizeLinear", {"q", model.scale(0.5f), model.zero(3)}, {"v"});
  model.node("Pad", {"x", "pads", "v"}, {"y"});
  const Tensor y = model.run({Tensor::floats({1, 2}, {4.0f, 5.0f})})[0];
  EXPECT_EQ(list<float>(y), (std::vector<float>{2.0f, 4.0f, 5.0f}));
}

TEST(OnnxQuantized, GemmWithAndWithoutAnOutputGrid) {
  for (const bool quantized : {true, false}) {
    QuantizedModel model;
    model.input("a", {1, 2}, kU8).int32s("b", {3, 2}, {1, -2, 3, 4, -5, 6}, kI8);
    model.floats("bs", {3}, {0.5f, 0.25f, 1.0f}).int32s("c", {3}, {8, 0, -4}, kI32).output("y");
    std::vector<std::string> inputs{
        "a", model.scale(0.5f), model.zero(10), "b", "bs", model.zero(0, kI8), "c"};
    if (quantized) inputs.insert(inputs.end(), {model.scale(0.25f), model.zero(100)});
    model.node("QGemm", inputs, {"y"}).set("transB", 1).domain(kMicrosoft);
    const Tensor y = model.run({values<uint8_t>({1, 2}, {12, 7})})[0];
    // sums 2·1 + 3·2 + 8 = 16, 6 − 12 = −6, −10 − 18 − 4 = −32, times 0.25, 0.125, 0.5
    if (quantized) {
      EXPECT_EQ(list<uint8_t>(y), (std::vector<uint8_t>{116, 97, 36}));
    } else {
      EXPECT_EQ(list<float>(y), (std::vector<float>{4.0f, -0.75f, -16.0f}));
    }
  }
}

TEST(OnnxQuantized, ProductsToFloat) {
  QuantizedModel model;
  model.input("a", {1, 2}, kU8).int32s("b", {2, 2}, {1, 2, 3, 4}, kI8).floats("c", {2}, {1, -1});
  model.output("y");
  model
      .node("MatMulIntegerToFloat",
            {"a", "b", model.scale(0.5f), model.scale(0.25f), model.zero(10), model.zero(1, kI8),
             "c"},
            {"y"})
      .domain(kMicrosoft);
  const Tensor y = model.run({values<uint8_t>({1, 2}, {12, 7})})[0];
  EXPECT_EQ(list<float>(y), (std::vector<float>{1 - 0.75f, -1 - 0.875f}));
}

TEST(OnnxQuantized, DynamicQuantization) {
  Model model;
  model.input("x", {3}).output("y").output("s").output("z");
  model.node("DynamicQuantizeLinear", {"x"}, {"y", "s", "z"});
  auto outputs = model.run({Tensor::floats({3}, {-1.0f, 0.0f, 1.55f})});
  EXPECT_EQ(list<uint8_t>(outputs[0]), (std::vector<uint8_t>{0, 100, 255}));
  EXPECT_EQ(list<uint8_t>(outputs[2]), (std::vector<uint8_t>{100}));
  outputs = model.run({Tensor::floats({3}, {0, 0, 0})});
  EXPECT_EQ(list<uint8_t>(outputs[0]), (std::vector<uint8_t>{0, 0, 0}));
  EXPECT_EQ(list<float>(outputs[1]), (std::vector<float>{1.0f}));
}

TEST(OnnxQuantized, DynamicProductsOfOneSampleOnly) {
  for (const int64_t batch : {1, 2}) {
    QuantizedModel model;
    model.input("x", {batch, 2, 2}).int32s("b", {2, 1}, {1, 3}, kI8).output("y");
    model.node("DynamicQuantizeMatMul", {"x", "b", model.scale(1.0f)}, {"y"})
        .named("the product")
        .domain(kMicrosoft);
    if (batch == 1) {
      const Tensor y = model.run({Tensor::floats({1, 2, 2}, {0, 51, 102, 255})})[0];
      EXPECT_EQ(list<float>(y), (std::vector<float>{153, 102 + 765}));
    } else {
      const std::string error = model.error(ErrorCode::kUnsupported);
      EXPECT_NE(error.find("the product"), std::string::npos) << error;
      EXPECT_NE(error.find("batch axis"), std::string::npos) << error;
    }
  }
}

TEST(OnnxQuantized, WhatDoesNotFitIsRefusedByName) {
  QuantizedModel model;
  model.input("x", {1, 2}, kU8).output("y");
  model.node("DequantizeLinear", {"x", model.scale(1.0f), model.zero(0, kI8)}, {"y"})
      .named("mixed");
  const std::string mixed = model.error(ErrorCode::kInvalidFile);
  EXPECT_NE(mixed.find("mixed"), std::string::npos) << mixed;
  EXPECT_NE(mixed.find("its input is uint8 but its zero point int8"), std::string::npos) << mixed;
  QuantizedModel negative;
  negative.input("x", {1, 2}).output("y");
  negative.node("QuantizeLinear", {"x", negative.scale(-1.0f), negative.zero(0)}, {"y"})
      .named("minus");
  const std::string minus = negative.error(ErrorCode::kInvalidFile);
  EXPECT_NE(minus.find("minus"), std::string::npos) << minus;
  EXPECT_NE(minus.find("must be positive"), std::string::npos) << minus;
}

}  // namespace
}  // namespace octile::test
