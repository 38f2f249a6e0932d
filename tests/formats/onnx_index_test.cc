// Operators about positions and losses that the published node tests leave open: older operator
// sets, unknown batches, parameters known at run time only.
#ifdef OCTILE_HAVE_ONNX
#include <cmath>

#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;

TEST(OnnxHardmax, IsOverAllAxesBehindOneBeforeOpset13) {
  Model m(11);
  m.input("x", {2, 2, 2}).output("y");
  m.node("Hardmax", {"x"}, {"y"}).set("axis", 1);
  const Tensor x = Tensor::floats({2, 2, 2}, {1, 4, 3, 4, 0, 0, 0, -1});
  EXPECT_EQ(list<float>(m.run({x})[0]), (Floats{0, 1, 0, 0, 1, 0, 0, 0}));
}

TEST(OnnxOneHot, TakesAnUnknownBatch) {
  Model m;
  m.input("i", {-1}, onnx::TensorProto::INT32).output("y");
  m.int64s("depth", {3}).floats("values", {2}, {-1, 5});
  m.node("OneHot", {"i", "depth", "values"}, {"y"});
  const std::vector<int32_t> indices{2, -3};
  const Tensor i = Tensor::from<int32_t>(Shape{2}, indices);
  EXPECT_EQ(list<float>(m.run({i})[0]), (Floats{-1, -1, 5, 5, -1, -1}));
}

TEST(OnnxTrilu, TakesAnUnknownBatch) {
  Model m(14);
  m.input("x", {-1, 2, 2}).output("y");
  m.node("Trilu", {"x"}, {"y"}).set("upper", 0);
  EXPECT_EQ(list<float>(m.run({Tensor::floats({1, 2, 2}, {1, 2, 3, 4})})[0]), (Floats{1, 0, 3, 4}));
}

TEST(OnnxReverseSequence, ReadsLengthsAtRunTime) {
  Model m;
  m.input("x", {2, 3}).input("lengths", {2}, onnx::TensorProto::INT64).output("y");
  m.node("ReverseSequence", {"x", "lengths"}, {"y"}).set("time_axis", 1).set("batch_axis", 0);
  const Tensor x = Tensor::floats({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(list<float>(m.run({x, Tensor::int64s({3, 2})})[0]), (Floats{3, 2, 1, 5, 4, 6}));
}

TEST(OnnxBitShift, CutsToTheTypeOfTheFile) {
  for (const auto& [type, expected] : {std::pair{onnx::TensorProto::UINT8, int64_t{0xf0}},
                                       std::pair{onnx::TensorProto::UINT16, int64_t{0xff0}}}) {
    Model m(11);
    m.output("y").int32s("x", {1}, {0xff}, type).int32s("n", {1}, {4}, type);
    m.node("BitShift", {"x", "n"}, {"y"}).set("direction", "LEFT");
    EXPECT_EQ(list<int64_t>(m.run({})[0].cast(DataType::kInt64)), std::vector<int64_t>{expected});
  }
}

TEST(OnnxArgMax, TheLastOfEquals) {
  Model m;
  m.input("x", {4}).output("y");
  m.node("ArgMax", {"x"}, {"y"}).set("select_last_index", 1);
  EXPECT_EQ(list<int64_t>(m.run({Tensor::floats({4}, {7, 1, 7, 0})})[0]), std::vector<int64_t>{2});
}

TEST(OnnxLoss, AnIgnoredTargetWeighsNothing) {
  Model m;
  m.input("x", {-1, 2}).input("t", {-1}, onnx::TensorProto::INT64).output("loss");
  m.node("SoftmaxCrossEntropyLoss", {"x", "t"}, {"loss"}).set("ignore_index", -1);
  const Tensor x = Tensor::floats({2, 2}, {0, 0, 9, 1});
  const Tensor loss = m.run({x, Tensor::int64s({1, -1})})[0];
  EXPECT_EQ(loss.shape(), Shape{});
  EXPECT_NEAR(*loss.as<float>(), std::log(2.0), 1e-6);
}

// --- quantization that fits no Quantize layer ---

TEST(OnnxQuantize, ZeroPointsThatDifferAreArithmetic) {
  Model m;
  m.input("x", {2, 2}).output("q").output("y");
  m.floats("s", {2}, {0.5f, 2});
  m.int32s("z", {2}, {10, 250}, onnx::TensorProto::UINT8);
  m.node("QuantizeLinear", {"x", "s", "z"}, {"q"}).set("axis", 0);
  m.node("DequantizeLinear", {"q", "s", "z"}, {"y"}).set("axis", 0);
  const auto got = m.run({Tensor::floats({2, 2}, {1.25f, -9, 2, 40})});
  EXPECT_EQ(got[0].type(), DataType::kUInt8);
  EXPECT_EQ(list<uint8_t>(got[0]), (std::vector<uint8_t>{12, 0, 251, 255}));
  EXPECT_EQ(list<float>(got[1]), (Floats{1, -5, 2, 10}));
}

TEST(OnnxQuantize, ComputedScalesAreArithmetic) {
  Model m;
  m.input("x", {2}).output("q").floats("seven", {}, {7});
  m.node("ReduceMax", {"x"}, {"most"}).set("keepdims", 0);
  m.node("Div", {"most", "seven"}, {"scale"});
  m.node("QuantizeLinear", {"x", "scale"}, {"q"});
  EXPECT_EQ(list<uint8_t>(m.run({Tensor::floats({2}, {14, 5})})[0]),
            (std::vector<uint8_t>{7, 2}));  // 2.5: half to even
}

}  // namespace
}  // namespace octile::test
#endif
