// Convolutions and poolings from ONNX, against values by hand.
#ifdef OCTILE_HAVE_ONNX
#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;

/// 3×3 image 1 … 9.
Tensor nine() { return Tensor::floats({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}); }

Model conv_model(const std::vector<int64_t>& x, const std::vector<int64_t>& w,
                 const Floats& weights) {
  Model m;
  m.input("x", x).output("y").floats("w", w, weights);
  return m;
}

TEST(OnnxConv, AutoPadPutsTheOddRowWhereItSays) {
  for (const auto& [mode, expected] :
       {std::pair{"SAME_UPPER", Floats{12, 16, 9, 24, 28, 15, 15, 17, 9}},
        std::pair{"SAME_LOWER", Floats{1, 3, 5, 5, 12, 16, 11, 24, 28}}}) {
    Model m = conv_model({1, 1, 3, 3}, {1, 1, 2, 2}, {1, 1, 1, 1});
    m.node("Conv", {"x", "w"}, {"y"}).set("auto_pad", mode);
    EXPECT_EQ(list<float>(m.run({nine()})[0]), expected) << mode;
  }
  Model valid = conv_model({1, 1, 3, 3}, {1, 1, 2, 2}, {1, 1, 1, 1});
  valid.node("Conv", {"x", "w"}, {"y"}).set("auto_pad", "VALID").ints("kernel_shape", {2, 2});
  EXPECT_EQ(list<float>(valid.run({nine()})[0]), (Floats{12, 16, 24, 28}));
}

TEST(OnnxConv, PadsAreBeforesThenAfters) {
  Model m = conv_model({1, 1, 3, 3}, {1, 1, 1, 1}, {1});
  m.node("Conv", {"x", "w"}, {"y"}).ints("pads", {1, 0, 0, 2});
  const Tensor y = m.run({nine()})[0];
  EXPECT_EQ(y.shape(), (Shape{1, 1, 4, 5}));
  EXPECT_EQ(list<float>(y), (Floats{0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 4, 5, 6, 0, 0, 7, 8, 9, 0, 0}));
}

TEST(OnnxConv, StridesDilationsGroupsAndBias) {
  Model m = conv_model({1, 2, 3, 3}, {2, 1, 2, 2}, {1, 0, 0, 1, 0, 1, 1, 0});
  m.floats("b", {2}, {0.5f, -100});
  m.node("Conv", {"x", "w", "b"}, {"y"}).set("group", 2).ints("dilations", {2, 2});
  Tensor x(DataType::kFloat32, {1, 2, 3, 3});
  for (int i = 0; i < 18; ++i) x.as<float>()[i] = static_cast<float>(i + 1);
  // Channel 0: x[0][0] + x[2][2] = 1 + 9; channel 1: x[0][2] + x[2][0] = 12 + 16.
  EXPECT_EQ(list<float>(m.run({x})[0]), (Floats{10.5f, -72}));
}

TEST(OnnxConv, OneAndThreeSpatialAxes) {
  Model line = conv_model({1, 1, 5}, {1, 1, 2}, {-1, 1});
  line.node("Conv", {"x", "w"}, {"y"}).ints("strides", {2});
  EXPECT_EQ(list<float>(line.run({Tensor::floats({1, 1, 5}, {1, 3, 6, 10, 15})})[0]),
            (Floats{2, 4}));
  Model cube = conv_model({1, 1, 2, 2, 2}, {1, 1, 2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  cube.node("Conv", {"x", "w"}, {"y"});
  EXPECT_EQ(list<float>(cube.run({Tensor::floats({1, 1, 2, 2, 2}, {1, 1, 1, 1, 1, 1, 1, 2})})[0]),
            (Floats{44}));
}

TEST(OnnxConv, ErrorsNameTheNode) {
  Model m = conv_model({1, 1, 3, 3}, {1, 1, 2, 2}, {1, 1, 1, 1});
  m.node("Conv", {"x", "w"}, {"y"}).named("conv1").ints("kernel_shape", {3, 3});
  EXPECT_TRUE(contains(m.error(ErrorCode::kInvalidFile), "conv1"));
  Model pads = conv_model({1, 1, 3, 3}, {1, 1, 2, 2}, {1, 1, 1, 1});
  pads.node("Conv", {"x", "w"}, {"y"}).named("conv2").ints("pads", {1, 1, 1});
  EXPECT_TRUE(contains(pads.error(ErrorCode::kInvalidFile), "'pads' has 3 entries"));
  Model channels = conv_model({1, 3, 3, 3}, {1, 1, 2, 2}, {1, 1, 1, 1});
  channels.node("Conv", {"x", "w"}, {"y"}).named("conv3");
  EXPECT_TRUE(contains(channels.error(ErrorCode::kInvalidFile), "conv3"));
}

TEST(OnnxConvTranspose, StrideAndOutputPadding) {
  Model m;
  m.input("x", {1, 1, 1, 2}).output("y").floats("w", {1, 1, 1, 2}, {1, 10});
  m.node("ConvTranspose", {"x", "w"}, {"y"}).ints("strides", {1, 3}).ints("output_padding", {0, 1});
  EXPECT_EQ(list<float>(m.run({Tensor::floats({1, 1, 1, 2}, {1, 2})})[0]),
            (Floats{1, 10, 0, 2, 20, 0}));
}

TEST(OnnxConvTranspose, OutputShapeCrops) {
  // Full length 5: contributions 1 11 12 2 … → {1, 11, 12, 20} for stride 1 of {1, 1, 2}.
  Model m;
  m.input("x", {1, 1, 3}).output("y").floats("w", {1, 1, 2}, {1, 10});
  m.node("ConvTranspose", {"x", "w"}, {"y"})
      .ints("output_shape", {3})
      .set("auto_pad", "SAME_UPPER");
  EXPECT_EQ(list<float>(m.run({Tensor::floats({1, 1, 3}, {1, 1, 2})})[0]), (Floats{1, 11, 12}));
}

TEST(OnnxConvTranspose, OutputPaddingBesideOutputShapeIsHeldToARange) {
  // Once a signed overflow (found by fuzzing); a negative one was let through too.
  for (const int64_t padding : {INT64_MAX, int64_t{-1}}) {
    Model m;
    m.input("x", {1, 1, 3}).output("y").floats("w", {1, 1, 2}, {1, 10});
    m.node("ConvTranspose", {"x", "w"}, {"y"})
        .ints("output_shape", {3})
        .ints("output_padding", {padding})
        .named("up");
    const std::string error = m.error(ErrorCode::kInvalidFile);
    EXPECT_TRUE(contains(error, "up")) << error;
    EXPECT_TRUE(contains(error, std::to_string(padding))) << error;
  }
}

TEST(OnnxPool, MaxAverageAndPadding) {
  Model max;
  max.input("x", {1, 1, 3, 3}).output("y");
  max.node("MaxPool", {"x"}, {"y"})
      .ints("kernel_shape", {2, 2})
      .ints("strides", {2, 2})
      .set("ceil_mode", 1);
  EXPECT_EQ(list<float>(max.run({nine()})[0]), (Floats{5, 6, 8, 9}));
  for (const int counted : {0, 1}) {
    Model m;
    m.input("x", {1, 1, 3, 3}).output("y");
    m.node("AveragePool", {"x"}, {"y"})
        .ints("kernel_shape", {2, 2})
        .ints("strides", {2, 2})
        .ints("pads", {1, 1, 0, 0})
        .set("count_include_pad", counted);
    const Floats expected = counted ? Floats{0.25f, 1.25f, 2.75f, 7} : Floats{1, 2.5f, 5.5f, 7};
    EXPECT_EQ(list<float>(m.run({nine()})[0]), expected) << counted;
  }
}

TEST(OnnxPool, GlobalAndIndices) {
  Model m;
  m.input("x", {1, 1, 3, 3}).output("mean").output("max");
  m.node("GlobalAveragePool", {"x"}, {"mean"});
  m.node("GlobalMaxPool", {"x"}, {"max"});
  const auto y = m.run({nine()});
  EXPECT_EQ(y[0].shape(), (Shape{1, 1, 1, 1}));
  EXPECT_EQ(list<float>(y[0]), Floats{5});
  EXPECT_EQ(list<float>(y[1]), Floats{9});
  Model indices;
  indices.input("x", {1, 1, 3, 3}).output("y").output("where");
  indices.node("MaxPool", {"x"}, {"y", "where"}).ints("kernel_shape", {2, 2});
  const auto both = indices.run({nine()});
  EXPECT_EQ(list<float>(both[0]), (Floats{5, 6, 8, 9}));
  EXPECT_EQ(list<int64_t>(both[1]), (std::vector<int64_t>{4, 5, 7, 8}));
  Model average;
  average.input("x", {1, 1, 3, 3}).output("y");
  average.node("AveragePool", {"x"}, {"y", "where"}).ints("kernel_shape", {2, 2});
  EXPECT_TRUE(contains(average.error(ErrorCode::kUnsupported), "where"));
}

}  // namespace
}  // namespace octile::test
#endif
