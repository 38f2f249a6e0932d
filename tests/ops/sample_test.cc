// Ops that sample images at computed places: GridSample, RoiAlign, and pooling's indices.
#include "ops/run.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;

/// One row of `x` at the points `at`.
Floats sampled(const GridSample& op, const Floats& x, const Floats& at) {
  const auto n = static_cast<int64_t>(at.size());
  return list<float>(run(op, {Tensor::floats({1, 1, static_cast<int64_t>(x.size())}, x),
                              Tensor::floats({1, n, 1}, at)}));
}

TEST(GridSample, LinearOnARow) {
  // pixels' centres of 4: −0.75, −0.25, 0.25, 0.75
  const Floats x{1, 2, 3, 4};
  EXPECT_EQ(sampled({ResizeKind::kLinear}, x, {-0.75f, 0, 0.75f, 1, -1, 3}),
            (Floats{1, 2.5f, 4, 2, 0.5f, 0}));
  EXPECT_EQ(sampled({ResizeKind::kLinear, GridPadding::kBorder}, x, {1, 9, -9}), (Floats{4, 4, 1}));
  EXPECT_EQ(sampled({ResizeKind::kLinear, GridPadding::kZeros, true}, x, {-1, 0, 1}),
            (Floats{1, 2.5f, 4}));
}

TEST(GridSample, Reflects) {
  const Floats x{1, 2, 3, 4};
  // about the outer edges: −1.25 is as far beyond −1 as −0.75 is before it; one turn is 2
  EXPECT_EQ(sampled({ResizeKind::kLinear, GridPadding::kReflection}, x, {-1.25f, 1.25f, 2.75f}),
            (Floats{1, 4, 1}));
  // about the outer centres
  EXPECT_EQ(
      sampled({ResizeKind::kNearest, GridPadding::kReflection, true}, x, {-5.0f / 3, 5.0f / 3}),
      (Floats{2, 3}));
  EXPECT_EQ(sampled({ResizeKind::kLinear, GridPadding::kReflection, true}, {7}, {-3, 0, 5}),
            (Floats{7, 7, 7}));
}

TEST(GridSample, NearestIsHalfToEven) {
  EXPECT_EQ(sampled({ResizeKind::kNearest, GridPadding::kBorder}, {1, 2, 3, 4}, {-0.5f, 0, 0.5f}),
            (Floats{1, 3, 3}));
}

TEST(GridSample, CubicHitsThePixels) {
  const GridSample op{ResizeKind::kCubic, GridPadding::kBorder};
  EXPECT_EQ(sampled(op, {1, 5, 2, 4}, {-0.75f, -0.25f, 0.25f, 0.75f}), (Floats{1, 5, 2, 4}));
  // half way: weights −3/32, 19/32, 19/32, −3/32
  EXPECT_NEAR(sampled(op, {1, 5, 2, 4}, {0})[0], (19 * 7 - 3 * 5) / 32.0, 1e-6);
}

TEST(GridSample, WhatIsNoNumberIsFarAway) {
  const Floats odd{std::nanf(""), INFINITY, -INFINITY, 1e38f};
  for (const auto kind : {ResizeKind::kNearest, ResizeKind::kLinear, ResizeKind::kCubic}) {
    EXPECT_EQ(sampled({kind, GridPadding::kZeros}, {1, 2}, odd), (Floats{0, 0, 0, 0}));
    EXPECT_EQ(sampled({kind, GridPadding::kBorder}, {1, 2}, odd), (Floats{1, 2, 1, 2}));
    for (const float y : sampled({kind, GridPadding::kReflection}, {2, 2}, odd)) EXPECT_EQ(y, 2);
  }
}

TEST(GridSample, TheInnermostAxisComesFirst) {
  // (D, H, W) = (2, 2, 2): x, y, z of the grid
  const Tensor x = counting<float>({1, 1, 2, 2, 2});
  const Tensor grid = Tensor::floats({1, 1, 1, 2, 3}, {0.5f, -0.5f, -0.5f, -0.5f, -0.5f, 0.5f});
  EXPECT_EQ(list<float>(run(GridSample{}, {x, grid})), (Floats{1, 4}));
}

TEST(GridSample, Refuses) {
  EXPECT_TRUE(contains(refusal(GridSample{}, {{1, 1, 4, 4}, {1, 2, 2, 3}}), "the grid has shape"));
  EXPECT_TRUE(contains(refusal(GridSample{}, {{1, 1, 4, 4}, {2, 2, 2, 2}}), "the grid has shape"));
  EXPECT_TRUE(contains(refusal(GridSample{}, {{1, 4}, {1, 4}}), "spatial axes"));
  EXPECT_TRUE(contains(refusal(GridSample{}, {{1, 1, 0, 4}, {1, 2, 2, 2}}), "empty image"));
}

Tensor ramp() { return counting<float>({1, 1, 4, 4}); }

Floats aligned(const RoiAlign& op, const Floats& roi, int64_t batch = 0) {
  return list<float>(run(op, {ramp(), Tensor::floats({1, 4}, roi), Tensor::int64s({batch})}));
}

TEST(RoiAlign, AveragesBins) {
  // y·4 + x is linear: a bin's average is its centre's value
  EXPECT_EQ(aligned({PoolingKind::kAverage, 1, 2, 2, 1, false}, {0, 1, 2, 3}),
            (Floats{8.5f, 9.5f}));
  EXPECT_EQ(aligned({PoolingKind::kAverage, 1, 1, 0, 0.5f, true}, {2, 2, 6, 6}),
            (Floats{1.5f * 5}));
  // without half_pixel a box is one pixel large at least
  EXPECT_EQ(aligned({PoolingKind::kAverage, 1, 1, 1, 1, false}, {1, 1, 1, 1}), (Floats{7.5f}));
  // with it, an empty box has no samples
  EXPECT_EQ(aligned({PoolingKind::kAverage, 1, 1, 0, 1, true}, {1, 1, 1, 1}), (Floats{0}));
}

TEST(RoiAlign, MaximumIsOfWeightedNeighbours) {
  // one sample at (1.5, 1.5): a quarter of 5, 6, 9, 10
  EXPECT_EQ(aligned({PoolingKind::kMax, 1, 1, 1, 1, false}, {1, 1, 2, 2}), (Floats{2.5f}));
}

TEST(RoiAlign, FarBoxesAreZero) {
  EXPECT_EQ(aligned({PoolingKind::kAverage, 1, 1, 1, 1, false}, {-9e9f, 50, -8e9f, 60}),
            (Floats{0}));
}

TEST(RoiAlign, RefusesWhatDataSay) {
  const RoiAlign adaptive{PoolingKind::kAverage, 1, 1, 0, 1, false};
  EXPECT_TRUE(contains(message_of([&] {
                         aligned(adaptive, {0, 0, 1, 1}, 1);
                       }),
                       "index 1 is outside axis 0 of extent 1"));
  for (const float odd : {1e30f, INFINITY, std::nanf("")}) {
    EXPECT_TRUE(contains(message_of([&] {
                           aligned(adaptive, {0, 0, odd, 1});
                         }),
                         "set sampling_ratio"));
  }
  RoiAlign wide = adaptive;
  wide.width = int64_t{1} << 40;
  const std::vector<TensorInfo> infos{{DataType::kFloat32, {1, 1, 4, 4}, nullptr},
                                      {DataType::kFloat32, {1, 4}, nullptr},
                                      {DataType::kInt64, {1}, nullptr}};
  EXPECT_TRUE(contains(message_of([&] { infer(wide, infos); }), "out of range"));
  EXPECT_EQ(infer(adaptive, infos)[0].shape, (Shape{1, 1, 1, 1}));
}

PoolingIndices pairs(bool column_major) {
  PoolingIndices op;
  op.window.kernel = {1, 2};
  op.column_major = column_major;
  return op;
}

TEST(PoolingIndices, TheFirstOfEqualsAndNan) {
  const float nan = std::nanf(""), low = -INFINITY;
  const Tensor x = Tensor::floats({1, 2, 2, 2}, {1, 1, 2, 3, low, low, nan, 9});
  EXPECT_EQ(list<int64_t>(run(pairs(false), {x})), (std::vector<int64_t>{0, 3, 4, 6}));
  EXPECT_EQ(list<int64_t>(run(pairs(true), {x})), (std::vector<int64_t>{0, 3, 4, 5}));
  EXPECT_TRUE(contains(refusal(PoolingIndices{}, {{1, 1, 4}}), "no kernel"));
}

TEST(PoolingIndices, PaddingIsNoPlace) {
  PoolingIndices op;
  op.window.kernel = {2};
  op.window.stride = {2};
  op.window.pad_before = {1};
  op.window.pad_after = {1};
  EXPECT_EQ(list<int64_t>(run(op, {Tensor::floats({1, 1, 4}, {-1, -2, -3, -4})})),
            (std::vector<int64_t>{0, 1, 3}));
}

}  // namespace
}  // namespace octile::test
