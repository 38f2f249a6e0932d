// Box decoders against their formulas written out, one cell at a time; mapping back; suppression.
#include <gtest/gtest.h>

#include <cmath>

#include "octile/detection.h"
#include "support/tensors.h"

namespace octile {
namespace {

/// A picture that is the network's input.
PictureInfo same(int64_t height, int64_t width) {
  return {"p.jpg", height, width, {height, width, height, width, 0, 0}};
}

void expect_box(const Detection& box, double cx, double cy, double w, double h) {
  EXPECT_NEAR(box.x0, cx - w / 2, 1e-4);
  EXPECT_NEAR(box.y0, cy - h / 2, 1e-4);
  EXPECT_NEAR(box.x1, cx + w / 2, 1e-4);
  EXPECT_NEAR(box.y1, cy + h / 2, 1e-4);
}

/// Input 64×32: strides 8, 16, 32 have 8×4, 4×2 and 2×1 cells, in this order.
TEST(BoxDecoders, YoloxCellsOfThreeStrides) {
  Tensor out(DataType::kFloat32, {2, 42, 8});
  const auto set = [&](int64_t row, int64_t cell, const std::vector<float>& v) {
    std::copy(v.begin(), v.end(), out.as<float>() + (row * 42 + cell) * 8);
  };
  set(1, 2 * 4 + 3, {0.25f, -0.5f, 1.0f, 0.5f, 0.8f, 0.1f, 0.9f, 0.2f});  // stride 8, y 2, x 3
  set(1, 32 + 1 * 2 + 1, {0, 0, 0, 0, 0.5f, 0.6f, 0, 0});                 // stride 16, y 1, x 1
  set(1, 32 + 8 + 1, {0.5f, 0.5f, -1, 0, 1.0f, 0, 0, 0.011f});            // stride 32, y 1, x 0
  const auto boxes = detect(std::vector{out}, 1, same(64, 32), {.decoder = "yolox"});
  ASSERT_EQ(boxes.size(), 3u);
  EXPECT_NEAR(boxes[0].score, 0.8 * 0.9, 1e-6);
  EXPECT_EQ(boxes[0].class_id, 1);
  expect_box(boxes[0], 3.25 * 8, 1.5 * 8, std::exp(1.0) * 8, std::exp(0.5) * 8);
  EXPECT_NEAR(boxes[1].score, 0.3, 1e-6);
  EXPECT_EQ(boxes[1].class_id, 0);
  expect_box(boxes[1], 16, 16, 16, 16);
  EXPECT_EQ(boxes[2].class_id, 2);
  expect_box(boxes[2], 16, 48, std::exp(-1.0) * 32, 32);
  EXPECT_TRUE(detect(std::vector{out}, 0, same(64, 32), {.decoder = "yolox"}).empty());
}

TEST(BoxDecoders, FastestDetCells) {
  Tensor out(DataType::kFloat32, {1, 7, 3, 2});  // two classes, 3×2 cells
  const float v[7] = {0.7f, 0.3f, -0.2f, 0.4f, -1.0f, 0.2f, 0.6f};
  for (int c = 0; c < 7; ++c) out.as<float>()[c * 6 + 2 * 2 + 1] = v[c];  // y 2, x 1
  const auto boxes = detect(std::vector{out}, 0, same(30, 40), {.decoder = "fastestdet"});
  ASSERT_EQ(boxes.size(), 1u);
  EXPECT_EQ(boxes[0].class_id, 1);
  EXPECT_NEAR(boxes[0].score, std::pow(0.7, 0.6) * std::pow(0.6, 0.4), 1e-6);
  expect_box(boxes[0], (1 + std::tanh(0.3)) / 2 * 40, (2 + std::tanh(-0.2)) / 3 * 30,
             40 / (1 + std::exp(-0.4)), 30 / (1 + std::exp(1.0)));
}

TEST(BoxDecoders, CornersWithClassesOrScoresOfEach) {
  const Tensor boxes = Tensor::floats({1, 2, 4}, {1, 2, 3, 4, 10, 20, 30, 40});
  const Tensor scores = Tensor::floats({1, 2}, {0.5f, 0.9f});
  Tensor classes(DataType::kInt64, {1, 2});
  classes.as<int64_t>()[0] = 7;
  const PictureInfo picture = same(50, 100);
  const DetectionOptions xyxy{.decoder = "xyxy"};
  const auto found = detect(std::vector{classes, boxes, scores}, 0, picture, xyxy);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].class_id, 0);
  EXPECT_EQ(found[0].x1, 30.0);
  EXPECT_EQ(found[1].class_id, 7);
  EXPECT_EQ(detect(std::vector{boxes, scores}, 0, picture, xyxy).size(), 2u);
  const Tensor each = Tensor::floats({1, 2, 3}, {0, 0.4f, 0.6f, 0.3f, 0, 0});
  const auto many = detect(std::vector{each, boxes}, 0, picture, xyxy);
  ASSERT_EQ(many.size(), 3u);
  EXPECT_EQ(many[0].class_id, 2);
  EXPECT_EQ(many[2].class_id, 0);
  EXPECT_EQ(many[2].y0, 20.0);
  const Tensor part = Tensor::floats({1, 1, 4}, {0.1f, 0.2f, 0.5f, 1.0f});
  const auto relative = detect(std::vector{part, Tensor::floats({1, 1}, {1})}, 0, picture,
                               {.decoder = "xyxy-relative"});
  expect_box(relative.at(0), 30, 30, 40, 40);
}

/// A 200×100 picture, letterboxed to 32×16 at (top 8, left 0) of 32×32.
TEST(BoxDecoders, BoxesAreMappedBackToThePicture) {
  const PictureInfo picture{"p.jpg", 100, 200, {32, 32, 16, 32, 8, 0}};
  const Tensor boxes = Tensor::floats({1, 1, 4}, {4, 8, 16, 24});
  const auto found =
      detect(std::vector{boxes, Tensor::floats({1, 1}, {1})}, 0, picture, {.decoder = "xyxy"});
  EXPECT_EQ(found.at(0).x0, 25.0);
  EXPECT_EQ(found[0].y0, 0.0);
  EXPECT_EQ(found[0].x1, 100.0);
  EXPECT_EQ(found[0].y1, 100.0);
}

TEST(BoxDecoders, OverlapsOfOneClassAreSuppressed) {
  // The second overlaps the first by 2/3, the third (another class) by 1, the fourth by 1/3.
  const Tensor boxes =
      Tensor::floats({1, 4, 4}, {0, 0, 10, 10, 2, 0, 12, 10, 0, 0, 10, 10, 5, 0, 15, 10});
  const Tensor scores = Tensor::floats({1, 4}, {0.9f, 0.8f, 0.7f, 0.6f});
  Tensor classes(DataType::kInt32, {1, 4});
  classes.as<int32_t>()[2] = 1;
  const std::vector outputs{boxes, scores, classes};
  const auto count = [&](std::optional<double> nms, double threshold) {
    return detect(outputs, 0, same(20, 20),
                  {.decoder = "xyxy", .score_threshold = threshold, .nms_iou = nms})
        .size();
  };
  EXPECT_EQ(count({}, 0.01), 3u);  // 0.65 < 2/3
  EXPECT_EQ(count(0.67, 0.01), 4u);
  EXPECT_EQ(count(0.3, 0.01), 2u);
  EXPECT_EQ(count(1.0, 0.65), 3u);
}

TEST(BoxDecoders, NotFiniteBoxesAreDropped) {
  const float nan = std::nanf("");
  const Tensor boxes = Tensor::floats({1, 2, 4}, {0, 0, nan, 10, 0, 0, 10, 10});
  const auto found = detect(std::vector{boxes, Tensor::floats({1, 2}, {1, nan})}, 0, same(20, 20),
                            {.decoder = "xyxy"});
  EXPECT_TRUE(found.empty());
}

TEST(BoxDecoders, RefuseOtherOutputs) {
  const auto message = [&](const char* decoder, std::vector<Tensor> outputs) {
    return test::message_of([&] { detect(outputs, 0, same(64, 32), {.decoder = decoder}); });
  };
  const Tensor flat(DataType::kFloat32, {1, 85});
  EXPECT_TRUE(
      test::contains(message("yolox", {Tensor(DataType::kFloat32, {1, 41, 85})}), "(N, 42,"));
  EXPECT_TRUE(test::contains(message("yolox", {flat}), "float32 (1, 85)"))
      << message("yolox", {flat});
  EXPECT_TRUE(test::contains(message("fastestdet", {flat}), "boxes 'fastestdet' are"));
  EXPECT_TRUE(test::contains(message("xyxy", {flat}), "boxes 'xyxy' are"));
  EXPECT_TRUE(test::contains(message("ssd", {flat}), "yolox, fastestdet, xyxy"));
  EXPECT_FALSE(message("xyxy", {Tensor(DataType::kFloat32, {0, 1, 4})}).empty());
  EXPECT_FALSE(message("yolox", {}).empty());
}

}  // namespace
}  // namespace octile
