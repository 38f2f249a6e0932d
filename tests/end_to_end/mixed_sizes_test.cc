// `run` where samples, and so batches, differ in size; and labels that do not fit the samples.
#include "end_to_end/program.h"
#include "formats/onnx_models.h"
#include "octile/data.h"

namespace octile::test {
namespace {

/// 3 × side × side, every byte `value`.
std::string picture(int side, char value) {
  const std::string size = std::to_string(side);
  return "P6\n" + size + " " + size + "\n255\n" + std::string(size_t(3 * side * side), value);
}

/// y = 2·x at any size.
std::string any_size_model() {
  Model model;
  model.input("x", {-1, 3, -1, -1}).output("y");
  model.floats("w", {3, 3, 1, 1}, {2, 0, 0, 0, 2, 0, 0, 0, 2});
  model.node("Conv", {"x", "w"}, {"y"}).named("conv");
  return model.bytes();
}

class MixedSizes : public testing::Test {
 protected:
  void SetUp() override {
    place_.write("m.onnx", any_size_model());
    std::filesystem::create_directory(place_ / "pictures");
    place_.write("pictures/a.ppm", picture(2, 1));
    place_.write("pictures/b.ppm", picture(4, 2));
    place_.write("pictures/c.ppm", picture(40, 3));
    octile_ok(place_, {"build", "m.onnx", "--profile", "1x3x2x2/1x3x4x4/3x3x40x40", "-q"});
  }
  Ended run(const Words& more) {
    Words words{"run", "m.plan", "--data", "pictures", "-q"};
    words.insert(words.end(), more.begin(), more.end());
    return octile(place_, words);
  }

  const Place place_;
};

TEST_F(MixedSizes, AreRunWithoutJoiningWhatDoesNotFit) {
  const Ended ended = run({});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out, "");
}

TEST_F(MixedSizes, AreWrittenBatchByBatch) {
  ASSERT_EQ(run({"-o", "y.npz"}).code, 0);
  const auto arrays = load_npz(place_ / "y.npz");
  ASSERT_EQ(arrays.size(), 3u);
  for (const auto& [name, side] : {std::pair{"y.0", 2}, {"y.1", 4}, {"y.2", 40}}) {
    ASSERT_TRUE(arrays.contains(name)) << name;
    EXPECT_EQ(arrays.at(name).shape(), (Shape{1, 3, side, side}));
    const double value = 2.0 * (name[2] - '0' + 1);
    expect_close(arrays.at(name), std::vector<double>(size_t(3 * side * side), value), 1e-5);
  }
}

TEST_F(MixedSizes, OfOneSizeAreJoined) {
  ASSERT_EQ(run({"-o", "y.npz", "--preprocess", "fit=stretch,size=4x4"}).code, 0);
  const auto arrays = load_npz(place_ / "y.npz");
  ASSERT_TRUE(arrays.contains("y"));
  EXPECT_EQ(arrays.at("y").shape(), (Shape{3, 3, 4, 4}));
}

TEST_F(MixedSizes, CannotBeMeasuredAndBothShapesAreNamed) {
  const Ended ended = run({"--metric", "agreement", "--reference", "m.plan"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(ended.out, "");
  for (const char* part : {"output 'y'", "(1, 3, 2, 2)", "(1, 3, 4, 4)"}) {
    EXPECT_TRUE(contains(ended.err, part));
  }
}

/// Scores are the samples themselves: the class is where the largest value is.
class Labels : public testing::Test {
 protected:
  void SetUp() override {
    Model model;
    model.input("x", {-1, 3}).output("y").node("Relu", {"x"}, {"y"}).named("relu");
    place_.write("m.onnx", model.bytes());
    save_npy(place_ / "x.npy", values<float>({4, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1}));
    octile_ok(place_, {"build", "m.onnx", "-q"});
  }
  Ended run(const std::string& labels, const Words& more = {}) {
    place_.write("labels.txt", labels);
    Words words{"run", "m.plan", "--data", "x.npy", "--labels", "labels.txt", "--show", "0", "-q"};
    words.insert(words.end(), more.begin(), more.end());
    return octile(place_, words);
  }

  const Place place_;
};

TEST_F(Labels, AreOneASampleOfTheWholeDataSet) {
  EXPECT_EQ(run("0\n1\n2\n0\n").out, "top1: 0.7500\n");
  EXPECT_EQ(run("0\n1\n2\n0\n", {"--first", "1", "--samples", "2"}).out, "top1: 1.0000\n");
  EXPECT_EQ(run("0\n1\n2\n0\n", {"--first", "3"}).out, "top1: 0.0000\n");
}

TEST_F(Labels, TooManyOrTooFewAreRefusedBeforeAnythingRuns) {
  const std::pair<std::string, Words> cases[] = {
      {"0\n1\n2\n2\n0\n", {}},
      {"0\n1\n2\n", {}},
      {"0\n1\n2\n2\n0\n", {"--first", "1"}},
      {"0\n1\n", {"--samples", "2"}},
      {"0\n1\n", {"--first", "1", "--samples", "2"}},
  };
  for (const auto& [labels, more] : cases) {
    const Ended ended = run(labels, more);
    EXPECT_EQ(ended.code, 1) << labels << ended.err;
    EXPECT_EQ(ended.out, "") << labels;
    EXPECT_TRUE(contains(ended.err, "labels.txt: " + std::to_string(count_of(labels, "\n"))));
    EXPECT_TRUE(contains(ended.err, "4 samples"));
  }
}

}  // namespace
}  // namespace octile::test
