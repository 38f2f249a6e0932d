// Reductions, softmax, TopK, normalizations, resizing and quantization from ONNX, by hand.
#ifdef OCTILE_HAVE_ONNX
#include <cmath>

#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;

TEST(OnnxReduce, KindsAxesAndKeepdims) {
  const std::pair<const char*, Floats> cases[] = {{"ReduceSum", {6, 15}},
                                                  {"ReduceMean", {2, 5}},
                                                  {"ReduceMax", {3, 6}},
                                                  {"ReduceMin", {1, 4}},
                                                  {"ReduceProd", {6, 120}}};
  for (const auto& [op_type, expected] : cases) {
    SCOPED_TRACE(op_type);
    Model attribute(11);
    attribute.input("x", {2, 3}).output("y");
    attribute.node(op_type, {"x"}, {"y"}).ints("axes", {-1}).set("keepdims", 0);
    const Tensor old = attribute.run({six()})[0];
    EXPECT_EQ(old.shape(), (Shape{2}));
    EXPECT_EQ(list<float>(old), expected);
    Model input(18);
    input.input("x", {2, 3}).output("y").int64s("axes", {1});
    input.node(op_type, {"x", "axes"}, {"y"});
    const Tensor kept = input.run({six()})[0];
    EXPECT_EQ(kept.shape(), (Shape{2, 1}));
    EXPECT_EQ(list<float>(kept), expected);
  }
}

TEST(OnnxReduce, WithoutAxesAllOrNone) {
  for (const int noop : {0, 1}) {
    Model m(13);
    m.input("x", {2, 3}).output("y");
    m.node("ReduceSum", {"x"}, {"y"}).set("noop_with_empty_axes", noop);
    const Tensor y = m.run({six()})[0];
    EXPECT_EQ(y.shape(), noop ? (Shape{2, 3}) : (Shape{1, 1}));
    EXPECT_EQ(list<float>(y), noop ? (Floats{1, 2, 3, 4, 5, 6}) : Floats{21});
  }
}

TEST(OnnxSoftmax, FlattensBeforeOpset13) {
  const double e = std::exp(1.0);
  for (const int64_t opset : {11, 13}) {
    Model m(opset);
    m.input("x", {1, 2, 2}).output("y");
    m.node("Softmax", {"x"}, {"y"}).set("axis", 1);
    const double a = opset < 13 ? 1 / (3 + e) : 0.5, b = opset < 13 ? e / (3 + e) : e / (1 + e);
    const double c = opset < 13 ? a : 1 / (1 + e);
    expect_close(m.run({Tensor::floats({1, 2, 2}, {0, 0, 0, 1})})[0], {a, c, a, b}, 1e-6);
  }
}

TEST(OnnxSoftmax, LogSoftmaxKeepsTheSmallOnes) {
  Model m;
  m.input("x", {1, 2}).output("y");
  m.node("LogSoftmax", {"x"}, {"y"});
  expect_close(m.run({Tensor::floats({1, 2}, {0, 200})})[0], {-200, 0}, 1e-4);
}

TEST(OnnxTopK, ValuesAndInt64Indices) {
  for (const int64_t opset : {7, 11}) {
    Model m(opset);
    m.input("x", {2, 3}).output("v").output("i");
    if (opset < 10) {
      m.node("TopK", {"x"}, {"v", "i"}).set("k", 2).set("axis", 1);
    } else {
      m.int64s("k", {2});
      m.node("TopK", {"x", "k"}, {"v", "i"}).set("axis", 1).set("largest", 1);
    }
    const auto y = m.run({Tensor::floats({2, 3}, {1, 3, 2, 5, 4, 5})});
    EXPECT_EQ(list<float>(y[0]), (Floats{3, 2, 5, 5}));
    EXPECT_EQ(list<int64_t>(y[1]), (Ints{1, 2, 0, 2}));
  }
}

TEST(OnnxArgMax, KeepdimsAndTies) {
  Model m;
  m.input("x", {2, 3}).output("kept").output("flat").output("least");
  m.node("ArgMax", {"x"}, {"kept"}).set("axis", 1);
  m.node("ArgMax", {"x"}, {"flat"}).set("axis", 0).set("keepdims", 0);
  m.node("ArgMin", {"x"}, {"least"}).set("axis", -1).set("keepdims", 0);
  const auto y = m.run({Tensor::floats({2, 3}, {1, 3, 3, 5, 4, 3})});
  EXPECT_EQ(y[0].shape(), (Shape{2, 1}));
  EXPECT_EQ(list<int64_t>(y[0]), (Ints{1, 0}));
  EXPECT_EQ(list<int64_t>(y[1]), (Ints{1, 1, 0}));
  EXPECT_EQ(list<int64_t>(y[2]), (Ints{0, 2}));
}

TEST(OnnxNormalize, BatchInstanceGroupAndLayer) {
  Model batch;
  batch.input("x", {1, 2, 1}).output("y").floats("g", {2}, {2, 1}).floats("b", {2}, {1, 0});
  batch.floats("m", {2}, {3, -1}).floats("v", {2}, {4, 0.25f});
  batch.node("BatchNormalization", {"x", "g", "b", "m", "v"}, {"y"}).set("epsilon", 0.0f);
  EXPECT_EQ(list<float>(batch.run({Tensor::floats({1, 2, 1}, {5, 0})})[0]), (Floats{3, 2}));

  const Tensor x = Tensor::floats({1, 2, 2}, {0, 2, 4, 8});  // means 1 and 6, deviations 1 and 2
  Model instance;
  instance.input("x", {1, 2, 2}).output("y").floats("g", {2}, {1, 10}).floats("b", {2}, {0, 5});
  instance.node("InstanceNormalization", {"x", "g", "b"}, {"y"}).set("epsilon", 0.0f);
  expect_close(instance.run({x})[0], {-1, 1, -5, 15}, 1e-5);

  Model group(21);  // two groups of one channel: the same
  group.input("x", {-1, 2, 2}).output("y").floats("g", {2}, {1, 10}).floats("b", {2}, {0, 5});
  group.node("GroupNormalization", {"x", "g", "b"}, {"y"})
      .set("num_groups", 2)
      .set("epsilon", 0.0f);
  expect_close(group.run({x})[0], {-1, 1, -5, 15}, 1e-5);

  Model layer(17);
  layer.input("x", {1, 2, 2}).output("y").floats("g", {2}, {1, 10}).floats("b", {2}, {0, 5});
  layer.node("LayerNormalization", {"x", "g", "b"}, {"y"}).set("epsilon", 0.0f);
  expect_close(layer.run({x})[0], {-1, 15, -1, 15}, 1e-5);
}

TEST(OnnxNormalize, TrainingModeUsesTheBatch) {
  Model m(14);
  m.input("x", {2, 1, 1}).output("y").output("mean").output("variance");
  for (const char* name : {"g", "b", "m", "v"}) m.floats(name, {1}, {1});
  m.node("BatchNormalization", {"x", "g", "b", "m", "v"}, {"y", "mean", "variance"})
      .set("training_mode", 1)
      .set("momentum", 0.75f);
  const auto got = m.run({Tensor::floats({2, 1, 1}, {3, 7})});  // mean 5, variance 4
  expect_close(got[0], {0, 2}, 1e-5);
  expect_close(got[1], {0.75f + 0.25f * 5}, 1e-6);
  expect_close(got[2], {0.75f + 0.25f * 4}, 1e-6);
}

TEST(OnnxResize, NearestByScalesAndSizes) {
  const Tensor x = Tensor::floats({1, 1, 1, 2}, {1, 2});
  Model scales;
  scales.input("x", {1, 1, 1, 2}).output("y").floats("s", {4}, {1, 1, 2, 2});
  scales.node("Resize", {"x", "", "s"}, {"y"})
      .set("coordinate_transformation_mode", "asymmetric")
      .set("nearest_mode", "floor");
  EXPECT_EQ(list<float>(scales.run({x})[0]), (Floats{1, 1, 2, 2, 1, 1, 2, 2}));
  Model sizes;  // as PyTorch exports it: empty roi and scales
  sizes.input("x", {1, 1, 1, 2}).output("y").floats("none", {0}, {}).int64s("s", {1, 1, 1, 3});
  sizes.node("Resize", {"x", "none", "none", "s"}, {"y"});
  // half_pixel: 0.5·2/3 − 0.5 = −0.17, 0.5, 1.17; a half goes down.
  EXPECT_EQ(list<float>(sizes.run({x})[0]), (Floats{1, 1, 2}));
}

TEST(OnnxResize, LinearHalfPixelAndAlignCorners) {
  const Tensor x = Tensor::floats({1, 1, 2}, {0, 4});
  const std::pair<const char*, Floats> cases[] = {{"half_pixel", {0, 1, 3, 4}},
                                                  {"pytorch_half_pixel", {0, 1, 3, 4}},
                                                  {"asymmetric", {0, 2, 4, 4}}};
  for (const auto& [mode, expected] : cases) {
    Model m;
    m.input("x", {1, 1, 2}).output("y").floats("s", {3}, {1, 1, 2});
    m.node("Resize", {"x", "", "s"}, {"y"})
        .set("mode", "linear")
        .set("coordinate_transformation_mode", mode);
    EXPECT_EQ(list<float>(m.run({x})[0]), expected) << mode;
  }
  Model corners;
  corners.input("x", {1, 1, 2}).output("y").int64s("s", {1, 1, 5});
  corners.node("Resize", {"x", "", "", "s"}, {"y"})
      .set("mode", "linear")
      .set("coordinate_transformation_mode", "align_corners");
  EXPECT_EQ(list<float>(corners.run({x})[0]), (Floats{0, 1, 2, 3, 4}));
}

TEST(OnnxResize, FixedSizesLetTheBatchGoFree) {
  Model m;
  m.input("x", {1, 1, 2}).output("y").int64s("s", {1, 1, 4});
  m.node("Resize", {"x", "", "", "s"}, {"y"});
  OnnxOptions options;
  options.dynamic_batch = true;
  const Network net = m.import(options);
  EXPECT_EQ(net.shape(net.outputs()[0]), (Shape{kDynamic, 1, 4}));
  EXPECT_EQ(list<float>(interpret(net, {Tensor::floats({2, 1, 2}, {1, 2, 3, 4})})[0]),
            (Floats{1, 1, 2, 2, 3, 3, 4, 4}));
}

TEST(OnnxResize, UpsampleAndUnknownModes) {
  Model old(9);
  old.input("x", {1, 1, 2}).output("y").floats("s", {3}, {1, 1, 2});
  old.node("Upsample", {"x", "s"}, {"y"});
  EXPECT_EQ(list<float>(old.run({Tensor::floats({1, 1, 2}, {3, 7})})[0]), (Floats{3, 3, 7, 7}));
  Model odd;
  odd.input("x", {1, 1, 2}).output("y").floats("s", {3}, {1, 1, 2});
  odd.node("Resize", {"x", "", "s"}, {"y"}).named("up").set("mode", "lanczos");
  EXPECT_TRUE(contains(odd.error(ErrorCode::kInvalidFile), "lanczos"));
}

TEST(OnnxQuantize, PerTensorAffine) {
  Model m;
  m.input("x", {4}).output("q").output("y").floats("s", {}, {0.5f});
  m.int32s("z", {}, {10}, onnx::TensorProto::UINT8);
  m.node("QuantizeLinear", {"x", "s", "z"}, {"q"});
  m.node("DequantizeLinear", {"q", "s", "z"}, {"y"});
  const auto y = m.run({Tensor::floats({4}, {-100, 0.25f, 0.75f, 3})});
  EXPECT_EQ(list<uint8_t>(y[0]), (std::vector<uint8_t>{0, 10, 12, 16}));  // halves to even
  EXPECT_EQ(list<float>(y[1]), (Floats{-5, 0, 1, 3}));
}

TEST(OnnxQuantize, WeightsPerChannelStayLayers) {
  Model m;
  m.input("x", {1, 2}).output("y").floats("s", {2}, {1, 0.5f});
  m.int32s("w", {2, 2}, {1, 2, 3, -4}, onnx::TensorProto::INT8);
  m.int32s("z", {2}, {0, 0}, onnx::TensorProto::INT8);
  m.node("DequantizeLinear", {"w", "s", "z"}, {"wf"}).set("axis", 0);
  m.node("Gemm", {"x", "wf"}, {"y"}).set("transB", 1);
  const Network net = m.import();
  EXPECT_TRUE(net.find_tensor("wf"));
  EXPECT_EQ(list<float>(interpret(net, {Tensor::floats({1, 2}, {1, 1})})[0]), (Floats{3, -0.5f}));
}

TEST(OnnxQuantize, WhatOctileLacksIsSaid) {
  Model computed;  // a scale that is no constant
  computed.input("x", {1}).input("s", {}).output("q");
  computed.node("QuantizeLinear", {"x", "s"}, {"q"}).named("quant");
  EXPECT_TRUE(contains(computed.error(ErrorCode::kUnsupported), "'quant' (QuantizeLinear)"));
  EXPECT_TRUE(contains(computed.error(ErrorCode::kUnsupported), "--constant s=VALUE"));
  Model zero;
  zero.input("x", {1}).output("q").floats("s", {}, {0});
  zero.node("QuantizeLinear", {"x", "s"}, {"q"});
  EXPECT_TRUE(contains(zero.error(ErrorCode::kInvalidFile), "scale"));
}

}  // namespace
}  // namespace octile::test
#endif
