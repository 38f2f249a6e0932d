// A detector with NonMaxSuppression at its end, through the program: calibrated, built in INT8,
// run.
#include "end_to_end/program.h"
#include "formats/onnx_models.h"
#include "octile/data.h"
#include "support/detections.h"

namespace octile::test {
namespace {

/// x (N, 5, 4, 4): box corners and score of 16 pixels, copied by a convolution.
std::string detector() {
  Model m(11);
  m.input("x", {-1, 5, 4, 4}).output("detections");
  std::vector<float> copy(25, 0.0f);
  for (size_t i = 0; i < 5; ++i) copy[6 * i] = 1.0f;
  m.floats("w", {5, 5, 1, 1}, copy).int64s("flat", {0, 5, 16});
  m.int64s("most", {16}).floats("iou", {1}, {0.5f}).floats("least", {1}, {0.5f});
  m.node("Conv", {"x", "w"}, {"raw"}).named("conv");
  m.node("Reshape", {"raw", "flat"}, {"pixels"});
  m.node("Split", {"pixels"}, {"corners", "scores"}).set("axis", 1).ints("split", {4, 1});
  m.node("Transpose", {"corners"}, {"boxes"}).ints("perm", {0, 2, 1});
  m.node("NonMaxSuppression", {"boxes", "scores", "most", "iou", "least"}, {"detections"});
  return m.bytes();
}

Tensor samples(int64_t count) { return boxes_and_scores(count, 3.0f); }

class Values : public testing::Test {
 protected:
  Values() {
    place_.write("m.onnx", detector());
    save_npz(place_ / "data.npz", {{"x", samples(3)}});
  }
  const Place place_;
};

TEST_F(Values, CalibratedBuiltAndRun) {
  octile_ok(place_, {"build", "m.onnx", "--int8", "--int8-layers", "all", "--calibrate", "data.npz",
                     "--profile", "1x5x4x4/1x5x4x4/2x5x4x4", "-q"});
  const std::string said = octile_ok(place_, {"inspect", "m.plan"});
  EXPECT_TRUE(contains(said, "'detections': int64 (-1, 3), extents depend on values"));
  const auto plan = octile_json(place_, {"inspect", "m.plan"});
  EXPECT_TRUE(contains(layer_of(plan, "conv").at("precision"), "int8"));
  octile_ok(place_, {"run", "m.plan", "--data", "data.npz", "-o", "y.npz", "-q"});
  const auto arrays = load_npz(place_ / "y.npz");
  ASSERT_EQ(arrays.size(), 3u);
  for (int64_t s = 0; s < 3; ++s) {
    EXPECT_EQ(arrays.at("detections." + std::to_string(s)).shape(), (Shape{s, 3}));
  }
}

/// The rows are no samples: those of a repeated sample cannot be told from the others.
TEST_F(Values, FilledUpBatchesAreRefused) {
  octile_ok(place_, {"build", "m.onnx", "--profile", "2x5x4x4/2x5x4x4/2x5x4x4", "-q"});
  const Ended ended = octile(place_, {"run", "m.plan", "--data", "data.npz", "-o", "y.npz", "-q"});
  EXPECT_NE(ended.code, 0);
  EXPECT_TRUE(contains(ended.err, "'detections'"));
  EXPECT_TRUE(contains(ended.err, "--samples"));
}

}  // namespace
}  // namespace octile::test
