// Resize against coordinates worked out by hand and ONNX's published examples; top-k against a
// stable sort.
#include <algorithm>
#include <numeric>

#include "ops/run.h"

namespace octile::test {
namespace {

Resize nearest(std::vector<float> scales, ResizeCoordinates coordinates,
               ResizeRounding rounding = ResizeRounding::kRoundPreferFloor) {
  Resize op;
  op.scales = std::move(scales);
  op.coordinates = coordinates;
  op.rounding = rounding;
  return op;
}

Resize linear(std::vector<int64_t> sizes, ResizeCoordinates coordinates) {
  Resize op;
  op.kind = ResizeKind::kLinear;
  op.sizes = std::move(sizes);
  op.coordinates = coordinates;
  return op;
}

TEST(Resize, NearestDoubles) {
  const Tensor x = Tensor::floats({1, 1, 2, 2}, {1, 2, 3, 4});
  const std::vector<float> doubled{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4};
  for (auto c : {ResizeCoordinates::kHalfPixel, ResizeCoordinates::kAsymmetric}) {
    const auto rounding = c == ResizeCoordinates::kHalfPixel ? ResizeRounding::kRoundPreferFloor
                                                             : ResizeRounding::kFloor;
    EXPECT_EQ(list<float>(run(nearest({1, 1, 2, 2}, c, rounding), {x})), doubled);
  }
}

TEST(Resize, RoundingOfHalves) {
  // asymmetric, scale 2: outputs read 0, 0.5, 1, 1.5, 2, 2.5
  const Tensor x = counting<int8_t>({3});
  const auto with = [&](ResizeRounding r) {
    return list<int8_t>(run(nearest({2}, ResizeCoordinates::kAsymmetric, r), {x}));
  };
  EXPECT_EQ(with(ResizeRounding::kRoundPreferFloor), (std::vector<int8_t>{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(with(ResizeRounding::kRoundPreferCeil), (std::vector<int8_t>{0, 1, 1, 2, 2, 2}));
  EXPECT_EQ(with(ResizeRounding::kFloor), (std::vector<int8_t>{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(with(ResizeRounding::kCeil), (std::vector<int8_t>{0, 1, 1, 2, 2, 2}));
}

TEST(Resize, NearestShrinksAndAlignsCorners) {
  // half pixel, 5 → 3 at scale 0.6: (o + .5)/.6 − .5 = 1/3, 2, 3 2/3
  EXPECT_EQ(
      list<float>(run(nearest({0.6f}, ResizeCoordinates::kHalfPixel), {counting<float>({5})})),
      (std::vector<float>{0, 2, 4}));
  // align corners, 3 → 5: 0, .5, 1, 1.5, 2
  EXPECT_EQ(list<float>(
                run(nearest({5.0f / 3}, ResizeCoordinates::kAlignCorners), {counting<float>({3})})),
            (std::vector<float>{0, 0, 1, 1, 2}));
}

TEST(Resize, NearestOnEveryTypeAndInnerRuns) {
  const Resize op = nearest({1, 2, 1}, ResizeCoordinates::kAsymmetric, ResizeRounding::kFloor);
  const auto expected = std::vector<int>{0, 1, 0, 1, 2, 3, 2, 3};
  const Tensor y8 = run(op, {counting<uint8_t>({1, 2, 2})});
  const Tensor y64 = run(op, {counting<int64_t>({1, 2, 2})});
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(y8.as<uint8_t>()[i], expected[i]);
    EXPECT_EQ(y64.as<int64_t>()[i], expected[i]);
  }
}

TEST(Resize, LinearPublishedExamples) {
  // ONNX operator documentation: resize_upsample_scales_linear and …_align_corners
  const Tensor x = Tensor::floats({1, 1, 2, 2}, {1, 2, 3, 4});
  expect_close(run(linear({1, 1, 4, 4}, ResizeCoordinates::kHalfPixel), {x}),
               {1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4},
               1e-6);
  expect_close(run(linear({1, 1, 4, 4}, ResizeCoordinates::kAlignCorners), {x}),
               {1, 4 / 3.0, 5 / 3.0, 2, 5 / 3.0, 2, 7 / 3.0, 8 / 3.0, 7 / 3.0, 8 / 3.0, 3, 10 / 3.0,
                3, 10 / 3.0, 11 / 3.0, 4},
               1e-6);
  // resize_downsample_scales_linear: (2, 4) by 0.6
  Resize down = nearest({1, 1, 0.6f, 0.6f}, ResizeCoordinates::kHalfPixel);
  down.kind = ResizeKind::kLinear;
  expect_close(run(down, {Tensor::floats({1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})}),
               {2.6666665, 4.3333331}, 1e-6);
}

TEST(Resize, LinearAsymmetricReadsTheEdge) {
  expect_close(run(linear({4}, ResizeCoordinates::kAsymmetric), {Tensor::floats({2}, {10, 20})}),
               {10, 15, 20, 20}, 1e-6);
}

TEST(Resize, ShapesAndRefusals) {
  EXPECT_EQ(shape_of(linear({-1, 3, 8, 8}, ResizeCoordinates::kHalfPixel), {{-1, 3, 4, 4}}),
            (Shape{-1, 3, 8, 8}));
  EXPECT_EQ(shape_of(nearest({1, 2.5f}, ResizeCoordinates::kHalfPixel), {{-1, 5}}),
            (Shape{-1, 12}));
  EXPECT_TRUE(contains(refusal(linear({1, 2}, ResizeCoordinates::kHalfPixel), {{1, 2, 3}}),
                       "x (1, 2, 3) needs either 3 sizes or 3 scales, but got 2 sizes and 0"));
  EXPECT_TRUE(contains(refusal(nearest({0}, ResizeCoordinates::kHalfPixel), {{3}}), "scale 0"));
  EXPECT_TRUE(contains(refusal(linear({4}, ResizeCoordinates::kHalfPixel), {{3}}, DataType::kInt8),
                       "must be float32"));
}

TEST(TopK, BestFirstLowerIndexFirst) {
  const Tensor x = Tensor::floats({1, 5}, {3, 7, 1, 7, 2});
  auto y = run_all(TopK{3, -1, true}, {x});
  EXPECT_EQ(list<float>(y[0]), (std::vector<float>{7, 7, 3}));
  EXPECT_EQ(list<int32_t>(y[1]), (std::vector<int32_t>{1, 3, 0}));
  y = run_all(TopK{2, 1, false}, {x});
  EXPECT_EQ(list<float>(y[0]), (std::vector<float>{1, 2}));
  EXPECT_EQ(list<int32_t>(y[1]), (std::vector<int32_t>{2, 4}));
}

TEST(TopK, NanIsWorst) {
  const float nan = std::nanf("");
  const auto y = run_all(TopK{3, 0, true}, {Tensor::floats({4}, {nan, -1, nan, 5})});
  EXPECT_EQ(list<int32_t>(y[1]), (std::vector<int32_t>{3, 1, 0}));
}

TEST(TopK, EqualsAStableSort) {
  Random random(13);
  for (const int64_t k : {1, 7, 64, 65, 200}) {
    const Shape shape{2, 200, 3};
    Tensor x(DataType::kInt32, shape);
    for (int64_t i = 0; i < x.volume(); ++i) {
      x.as<int32_t>()[i] = static_cast<int32_t>(random.integer(-30, 30));
    }
    const auto y = run_all(TopK{k, 1, true}, {x});
    ASSERT_EQ(y[0].shape(), (Shape{2, k, 3}));
    for (int64_t o = 0; o < 2; ++o)
      for (int64_t s = 0; s < 3; ++s) {
        const auto value = [&](int64_t i) { return x.as<int32_t>()[(o * 200 + i) * 3 + s]; };
        std::vector<int32_t> order(200);
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(),
                         [&](int32_t a, int32_t b) { return value(a) > value(b); });
        for (int64_t i = 0; i < k; ++i) {
          const auto at = static_cast<size_t>((o * k + i) * 3 + s);
          ASSERT_EQ(y[1].as<int32_t>()[at], order[static_cast<size_t>(i)]);
          ASSERT_EQ(y[0].as<int32_t>()[at], value(order[static_cast<size_t>(i)]));
        }
      }
  }
}

TEST(TopK, Refusals) {
  EXPECT_TRUE(contains(refusal(TopK{4, 1, true}, {{2, 3}}), "k is 4, but axis 1 of (2, 3) has 3"));
  EXPECT_EQ(shape_of(TopK{4, 1, true}, {{2, -1}}), (Shape{2, 4}));
}

}  // namespace
}  // namespace octile::test
