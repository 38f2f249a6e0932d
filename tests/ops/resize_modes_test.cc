// Resize's cubic and antialiased kernels and its rarer coordinates, against ONNX's published
// examples and values by hand.
#include "ops/run.h"

namespace octile::test {
namespace {

Resize with(ResizeKind kind, std::vector<float> scales, ResizeCoordinates coordinates = {}) {
  Resize op;
  op.kind = kind;
  op.coordinates = coordinates;
  op.scales = std::move(scales);
  return op;
}

const Tensor kFour = Tensor::floats({4}, {1, 2, 3, 4});
Tensor square() {
  return Tensor::floats({4, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});
}

TEST(ResizeCubic, PublishedExample) {
  // ONNX: resize_downsample_scales_cubic
  expect_close(run(with(ResizeKind::kCubic, {0.8f, 0.8f}), {square()}),
               {1.47119141, 2.78125, 4.08251953, 6.71142578, 8.02148438, 9.32275391, 11.91650391,
                13.2265625, 14.52783203},
               1e-5);
}

TEST(ResizeCubic, ExcludedTapsLeaveTheRestAtOne) {
  Resize op = with(ResizeKind::kCubic, {2});
  op.exclude_outside = true;
  const Tensor y = run(op, {Tensor::floats({3}, {5, 5, 5})});
  expect_close(y, {5, 5, 5, 5, 5, 5}, 1e-5);
  // the coefficient 0 makes Hermite's smoothstep: a quarter is 5/32
  op.cubic_coefficient = 0.0f;
  expect_close(run(op, {Tensor::floats({2}, {0, 32})}), {0, 5, 27, 32}, 1e-5);
}

TEST(ResizeAntialias, PublishedExamples) {
  Resize op = with(ResizeKind::kLinear, {0.6f, 0.6f});
  op.antialias = true;
  expect_close(run(op, {square()}), {2.875, 4.5, 9.375, 11}, 1e-5);
  op.kind = ResizeKind::kCubic;
  expect_close(run(op, {square()}), {2.5180721, 4.2858863, 9.589329, 11.357142}, 1e-5);
}

TEST(ResizeAntialias, EnlargingIsAsWithout) {
  Resize op = with(ResizeKind::kLinear, {1.5f, 2});
  const Tensor plain = run(op, {square()});
  op.antialias = true;
  EXPECT_EQ(run(op, {square()}), plain);
}

TEST(ResizeCoordinates, TensorflowsAndPytorchs) {
  Resize op;
  op.coordinates = ResizeCoordinates::kTfHalfPixelForNn;
  op.rounding = ResizeRounding::kFloor;
  op.sizes = {2};
  EXPECT_EQ(list<float>(run(op, {kFour})), (std::vector<float>{2, 4}));
  op.coordinates = ResizeCoordinates::kPytorchHalfPixel;
  op.kind = ResizeKind::kLinear;
  expect_close(run(op, {kFour}), {1.5, 3.5}, 1e-6);
  op.sizes = {1};
  expect_close(run(op, {kFour}), {1}, 1e-6);
}

TEST(ResizeCoordinates, AlignedCornersCountTheUnroundedExtent) {
  // 4 · 0.6 = 2.4: one step is 3 / 1.4
  expect_close(run(with(ResizeKind::kLinear, {0.6f}, ResizeCoordinates::kAlignCorners), {kFour}),
               {1, 1 + 3 / 1.4}, 1e-5);
}

TEST(ResizeCoordinates, SymmetricKeepsTheCentre) {
  // 4 · 0.7 = 2.8 → 2: the two are 1/0.7 apart, about the middle
  expect_close(
      run(with(ResizeKind::kLinear, {0.7f}, ResizeCoordinates::kHalfPixelSymmetric), {kFour}),
      {2.5 - 0.5 / 0.7, 2.5 + 0.5 / 0.7}, 1e-5);
}

TEST(ResizeCoordinates, CropLeavesTheImage) {
  Resize op;
  op.kind = ResizeKind::kLinear;
  op.coordinates = ResizeCoordinates::kTfCropAndResize;
  op.sizes = {3};
  op.roi = {0.5f, 1.5f};
  op.extrapolation = 10;
  expect_close(run(op, {kFour}), {2.5, 4, 10}, 1e-6);
  op.kind = ResizeKind::kNearest;
  expect_close(run(op, {kFour}), {2, 4, 10}, 1e-6);
  op.sizes = {4};  // the extent stays, the region does not
  op.roi = {1.0f, 0.0f};
  expect_close(run(op, {kFour}), {4, 3, 2, 1}, 1e-6);
  op.roi = {std::nanf(""), 0};
  expect_close(run(op, {kFour}), {10, 10, 10, 10}, 1e-6);
}

TEST(ResizeCoordinates, SizesAndScalesTogether) {
  Resize op = with(ResizeKind::kLinear, {0.65f});
  op.sizes = {3};  // 2.6, rounded
  expect_close(run(op, {kFour}), {1 + 0.5 / 0.65 - 0.5, 1 + 1.5 / 0.65 - 0.5, 4}, 1e-5);
  op.sizes = {7};
  EXPECT_TRUE(contains(refusal(op, {{4}}), "size 7 on axis 0 is not 4 times scale"));
  op.sizes = {1};
  op.scales = {1e-30f};
  EXPECT_TRUE(contains(refusal(op, {{4}}), "size 1 on axis 0"));
}

TEST(ResizeCoordinates, Refusals) {
  Resize op = with(ResizeKind::kNearest, {2}, ResizeCoordinates::kTfCropAndResize);
  EXPECT_TRUE(contains(refusal(op, {{4}}), "the roi has 0 entries"));
  op = with(ResizeKind::kCubic, {2});
  EXPECT_TRUE(contains(refusal(op, {{4}}, DataType::kInt8), "must be float32"));
  op.cubic_coefficient = INFINITY;
  EXPECT_TRUE(contains(refusal(op, {{4}}), "not finite"));
}

}  // namespace
}  // namespace octile::test
