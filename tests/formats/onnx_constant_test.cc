// Values given for graph inputs at import (OnnxOptions::constants, --constant).
#ifdef OCTILE_HAVE_ONNX
#include <limits>

#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;

/// y = Reshape(x, shape), where the shape is an input of the graph.
Model reshape_model() {
  Model m;
  m.input("x", {2, 3}).input("shape", {2}, onnx::TensorProto::INT64).output("y");
  m.node("Reshape", {"x", "shape"}, {"y"}).named("reshape");
  return m;
}

std::string refusal(const Model& model, const std::string& name, const Tensor& value,
                    ErrorCode code = ErrorCode::kInvalidArgument) {
  OnnxOptions options;
  options.constants.emplace(name, value);
  return message_of([&] { model.import(options); }, code);
}

TEST(OnnxConstants, AGivenInputIsAConstant) {
  OnnxOptions options;
  options.constants.emplace("shape", Tensor::int64s({3, -1}));
  const Network net = reshape_model().import(options);
  ASSERT_EQ(net.inputs().size(), 1u);
  EXPECT_EQ(net.name(net.inputs()[0]), "x");
  EXPECT_EQ(net.shape(net.outputs()[0]), (Shape{3, 2}));
}

TEST(OnnxConstants, TheRefusalNamesTheInputAndTheFlag) {
  const std::string direct = reshape_model().error(ErrorCode::kUnsupported);
  EXPECT_NE(direct.find("'reshape'"), std::string::npos) << direct;
  EXPECT_NE(direct.find("--constant shape=VALUE"), std::string::npos) << direct;
  Model behind;
  behind.input("x", {2, 3}).input("half", {2}, onnx::TensorProto::INT64).output("y");
  behind.node("Add", {"half", "half"}, {"twice"});
  behind.node("Reshape", {"x", "twice"}, {"y"});
  const std::string computed = behind.error(ErrorCode::kUnsupported);
  EXPECT_NE(computed.find("computed from 'half'"), std::string::npos) << computed;
  EXPECT_NE(computed.find("--constant half=VALUE"), std::string::npos) << computed;
}

TEST(OnnxConstants, UnknownNamesAreRefusedWithTheListOfInputs) {
  const std::string message = refusal(reshape_model(), "shap", Tensor::int64s({3, 2}));
  EXPECT_NE(message.find("'shap'"), std::string::npos) << message;
  EXPECT_NE(message.find("'x', 'shape'"), std::string::npos) << message;
}

TEST(OnnxConstants, ShapesAndTypesMustFit) {
  const std::string longer = refusal(reshape_model(), "shape", Tensor::int64s({1, 2, 3}));
  EXPECT_NE(longer.find("the model declares (2)"), std::string::npos) << longer;
  const std::string half = refusal(reshape_model(), "shape", Tensor::floats({2}, {1.5f, 2}));
  EXPECT_NE(half.find("declares int64"), std::string::npos) << half;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  refusal(reshape_model(), "shape", Tensor::floats({2}, {nan, 2}));
}

TEST(OnnxConstants, WhatLosesNothingIsConverted) {
  Model m;
  m.input("x", {2, 2}).input("scale", {}).input("twice", {1, 2}, onnx::TensorProto::INT32);
  m.output("y").output("z");
  m.node("Mul", {"x", "scale"}, {"y"});
  m.node("Identity", {"twice"}, {"z"});
  OnnxOptions options;
  options.constants.emplace("scale", Tensor::int64s({3}));     // a list of one for a scalar
  options.constants.emplace("twice", Tensor::int64s({7, 8}));  // a list for a fixed shape
  const std::vector<Tensor> got = m.run({Tensor::floats({2, 2}, {1, 2, 3, 4})}, options);
  EXPECT_EQ(list<float>(got[0]), (Floats{3, 6, 9, 12}));
  EXPECT_EQ(got[1].type(), DataType::kInt32);
  EXPECT_EQ(got[1].shape(), (Shape{1, 2}));
  Tensor wide(DataType::kFloat64, Shape{});
  *wide.as<double>() = 0.1;  // reals are rounded
  options.constants["scale"] = wide;
  EXPECT_EQ(list<float>(m.run({Tensor::floats({2, 2}, {1, 1, 1, 1})}, options)[0]),
            Floats(4, 0.1f));
  refusal(m, "twice", Tensor::int64s({int64_t{1} << 40, 0}));
}

TEST(OnnxConstants, OverrideADefault) {
  Model m;
  m.input("x", {2}).input("c", {2}).output("y").floats("c", {2}, {1, 2});
  m.node("Add", {"x", "c"}, {"y"});
  OnnxOptions options;
  options.constants.emplace("c", Tensor::floats({2}, {10, 20}));
  EXPECT_EQ(list<float>(m.run({Tensor::floats({2}, {0, 0})}, options)[0]), (Floats{10, 20}));
}

TEST(OnnxConstants, OfAllInputsLeaveANetworkWithout) {
  Model m;
  m.input("n", {1}, onnx::TensorProto::INT64).output("y");
  m.node("ConstantOfShape", {"n"}, {"y"});
  OnnxOptions options;
  options.constants.emplace("n", Tensor::int64s({3}));
  EXPECT_EQ(list<float>(m.run({}, options)[0]), Floats(3, 0.0f));
}

}  // namespace
}  // namespace octile::test
#endif
