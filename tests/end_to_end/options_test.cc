// Options that change an engine or its inputs: each is seen in what `inspect` shows or in numbers
// that can be worked out by hand.
#include "end_to_end/digits.h"
#include "end_to_end/program.h"
#include "octile/data.h"

namespace octile::test {
namespace {

/// y = x, flattened: what a sample becomes is what comes out.
std::string flat_model(const std::vector<int64_t>& shape) {
  Model model;
  model.input("x", shape).output("y").node("Flatten", {"x"}, {"y"}).named("flatten");
  return model.bytes();
}

TEST(Preprocessing, IsStoredInThePlanAndUsedByRun) {
  const Place place;
  place.write("m.onnx", flat_model({-1, 1, 2, 2}));
  save_npy(place / "x.npy", values<float>({2, 1, 2, 2}, {0, 51, 102, 255, 10, 20, 30, 40}));
  octile_ok(place, {"build", "m.onnx", "-q", "--preprocess", "scale=1/255,mean=0.5,std=0.25"});
  const auto stored = octile_json(place, {"inspect", "m.plan"}).at("preprocess");
  EXPECT_EQ(stored.at("scale"), "1/255");
  const auto run = [&](Words more) {
    Words words{"run", "m.plan", "--data", "x.npy", "-q", "-o", "y.npz"};
    words.insert(words.end(), more.begin(), more.end());
    octile_ok(place, words);
    return load_npz(place / "y.npz").at("y");
  };
  // (x / 255 − 0.5) / 0.25
  expect_close(run({}),
               {-2, -1.2, -0.4, 2, 4 * (10 / 255. - 0.5), 4 * (20 / 255. - 0.5),
                4 * (30 / 255. - 0.5), 4 * (40 / 255. - 0.5)},
               1e-6);
  // Said again, it wins.
  expect_close(run({"--preprocess", "scale=1"}), {0, 51, 102, 255, 10, 20, 30, 40}, 0);
  octile_ok(place, {"build", "m.onnx", "-q"});
  EXPECT_TRUE(octile_json(place, {"inspect", "m.plan"}).at("preprocess").is_null());
  expect_close(run({}), {0, 51, 102, 255, 10, 20, 30, 40}, 0);
}

TEST(Metadata, TravelsWithThePlan) {
  const Place place;
  place.write("m.onnx", flat_model({1, 1, 2, 2}));
  const std::string uncut = std::string(99, 'x') + "é";
  octile_ok(place, {"build", "m.onnx", "-q", "--metadata", "author=a=b", "--metadata",
                    "empty=", "--metadata", "classes=cat\ndog", "--metadata",
                    "long=" + uncut + "more", "--metadata", "uncut=" + uncut});
  octile_ok(place, {"retime", "m.plan", "-o", "again.plan", "-q"});
  for (const std::string plan : {"m.plan", "again.plan"}) {
    const std::string shown = octile_ok(place, {"inspect", plan});
    EXPECT_TRUE(contains(shown, "\nauthor: a=b\nclasses: cat.dog\nempty: \nlong: " + uncut +
                                    "…\nuncut: " + uncut + "\n"));
    const auto stored = octile_json(place, {"inspect", plan}).at("metadata");
    EXPECT_EQ(stored.at("classes"), "cat\ndog");
    EXPECT_EQ(stored.at("long"), uncut + "more");
    EXPECT_EQ(stored.size(), 5u);
  }
  octile_ok(place, {"build", "m.onnx", "-q"});
  EXPECT_TRUE(octile_json(place, {"inspect", "m.plan"}).at("metadata").empty());
}

TEST(Preprocessing, OfPicturesByFlagsAndByAJsonFile) {
  const Place place;
  place.write("m.onnx", flat_model({-1, 3, 1, 2}));
  std::filesystem::create_directory(place / "pictures");
  place.write("pictures/a.ppm", std::string("P6\n2 1\n255\n") + "\x0a\x14\x1e\x28\x32\x3c");
  place.write("p.json", R"({"color": "bgr", "scale": "1/10", "mean": [1, 2, 3]})");
  // Red 10, 40, green 20, 50, blue 30, 60: blue comes first.
  const std::vector<double> expected{2, 5, 0, 3, -2, 1};
  for (const std::string how : {"color=bgr,scale=1/10,mean=1:2:3", "p.json"}) {
    octile_ok(place, {"build", "m.onnx", "-q", "--preprocess", how});
    octile_ok(place, {"run", "m.plan", "--data", "pictures", "-q", "-o", "y.npz"});
    expect_close(load_npz(place / "y.npz").at("y"), expected, 1e-6);
  }
}

TEST(FixedBatch, APartlyFilledLastBatchGivesItsOwnResultsOnly) {
  const Place place;
  place.write("m.onnx", flat_model({4, 1, 1, 2}));
  save_npy(place / "x.npy", counting<float>({6, 1, 1, 2}));
  octile_ok(place, {"build", "m.onnx", "-q"});
  octile_ok(place, {"run", "m.plan", "--data", "x.npy", "--samples", "4", "-q", "-o", "y.npz"});
  expect_close(load_npz(place / "y.npz").at("y"), {0, 1, 2, 3, 4, 5, 6, 7}, 0);
  octile_ok(place, {"run", "m.plan", "--data", "x.npy", "-q", "-o", "y.npz"});
  expect_close(load_npz(place / "y.npz").at("y"), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 0);
}

TEST(TwoInputs, ComeByTheirKeysInAnNpz) {
  const Place place;
  Model model;
  model.input("left", {-1, 2}).input("right", {-1, 2}).output("y");
  model.floats("w", {2, 2}, {1, 2, 3, 4});
  model.node("MatMul", {"left", "w"}, {"product"}).named("product");
  model.node("Sub", {"product", "right"}, {"y"}).named("difference");
  place.write("m.onnx", model.bytes());
  const Tensor left = values<float>({3, 2}, {1, 0, 0, 1, 2, -1});
  const Tensor right = values<float>({3, 2}, {1, 1, 0, 5, -2, 3});
  save_npz(place / "both.npz", {{"left", left}, {"right", right}});
  save_npz(place / "one.npz", {{"left", left}});
  save_npz(place / "extra.npz", {{"left", left}, {"right", right}, {"lift", left}});
  octile_ok(place, {"build", "m.onnx", "-q", "--profile", "left:1x2/2x2/2x2,right:1x2/2x2/2x2"});
  octile_ok(place, {"run", "m.plan", "--data", "both.npz", "-q", "-o", "y.npz"});
  // Rows of left · [[1 2] [3 4]]: (1 2) (3 4) (-1 0), less right.
  expect_close(load_npz(place / "y.npz").at("y"), {0, 1, 3, -1, 1, -3}, 0);
  const Ended one = octile(place, {"run", "m.plan", "--data", "one.npz"});
  EXPECT_EQ(one.code, 1);
  EXPECT_TRUE(contains(one.err, "one.npz: no array for the model's input 'right'"));
  const Ended extra = octile(place, {"run", "m.plan", "--data", "extra.npz"});
  EXPECT_EQ(extra.code, 1);
  EXPECT_TRUE(contains(extra.err, "'lift'"));
  octile_ok(place, {"calibrate", "m.onnx", "--calibrate", "both.npz", "--cache", "c", "--method",
                    "minmax", "-q"});
  const auto tensors = nlohmann::json::parse(place.read("c")).at("tensors");
  EXPECT_EQ(tensors.at("right").at("max"), 5);
  EXPECT_EQ(tensors.at("right").at("min"), -2);
  EXPECT_EQ(tensors.at("product").at("max"), 4);
}

class Layers : public testing::Test {
 protected:
  Layers() {
    place_.write("m.onnx", DigitNetwork().onnx());
    octile_ok(place_, {"calibrate", "m.onnx", "--calibrate", Digits::directory(), "--samples", "40",
                       "--preprocess", "scale=1/255", "--cache", "c", "-q"});
  }
  Ended build(const Words& more) {
    Words words{"build", "m.onnx", "--int8", "--cache", "c", "-q", "--tactics", "first"};
    words.insert(words.end(), more.begin(), more.end());
    return octile(place_, words);
  }
  nlohmann::json inspect(const Words& more) {
    const Ended ended = build(more);
    EXPECT_EQ(ended.code, 0) << ended.err;
    return octile_json(place_, {"inspect", "m.plan"});
  }

  const Place place_;
};

TEST_F(Layers, PrecisionOfOneLayer) {
  EXPECT_TRUE(contains(layer_of(inspect({}), "conv2").at("precision"), "int8"));
  const auto plan = inspect({"--precision", "conv2=float32"});
  EXPECT_EQ(layer_of(plan, "conv2").at("precision"), "float32");
  EXPECT_TRUE(contains(layer_of(plan, "conv2").at("note"), "float32 was asked for"));
  for (const char* other : {"conv1", "fc"}) {
    EXPECT_TRUE(contains(layer_of(plan, other).at("precision"), "int8"));
  }
  EXPECT_EQ(layer_of(plan, "conv2").at("weight_bytes"), 8 * 9 * 4);
}

TEST_F(Layers, SchemeOfOneLayer) {
  const auto is = inspect({}), affine = inspect({"--layer-scheme", "conv1=static-affine"});
  const double symmetric_scale = is.at("layers")[0].at("scale");
  const double affine_scale = affine.at("layers")[0].at("scale");
  // Pixels in [0, 1]: twice as many levels for the same range.
  EXPECT_NEAR(symmetric_scale / affine_scale, 255.0 / 127.0, 0.02);
  EXPECT_EQ(layer_of(affine, "fc").at("step"), layer_of(is, "fc").at("step"));
  const auto dynamic = inspect({"--layer-scheme", "fc=dynamic-affine"});
  EXPECT_EQ(layer_of(dynamic, "dynamic_affine.quantize").at("scale"), 0.0);  // known when it runs
  EXPECT_EQ(layer_of(dynamic, "pool2").at("precision"), "float32");
  EXPECT_EQ(layer_of(is, "pool2").at("precision"), "int8");
  EXPECT_EQ(dynamic.at("layers")[0], is.at("layers")[0]);
}

TEST_F(Layers, RangeByHandBeatsTheCalibrator) {
  const auto plan = inspect({"--range", "image=-2:1.5", "--range", "edges=-3:4"});
  EXPECT_FLOAT_EQ(layer_of(plan, "image").at("scale").get<float>(), 2.0f / 127.0f);
  // Alone it is enough for the layers that it reaches.
  const Ended alone = octile(place_, {"build", "m.onnx", "--int8", "--int8-layers", "all",
                                      "--range", "image=0:1", "-o", "alone.plan"});
  EXPECT_EQ(alone.code, 0) << alone.err;
  EXPECT_TRUE(contains(alone.err, "warning: "));
  EXPECT_TRUE(contains(alone.err, "range"));
  const auto partly = octile_json(place_, {"inspect", "alone.plan"});
  EXPECT_TRUE(contains(layer_of(partly, "conv1").at("precision"), "int8"));
  EXPECT_EQ(layer_of(partly, "fc").at("precision"), "float32");
  EXPECT_TRUE(contains(layer_of(partly, "fc").at("note"), "no range"));
}

TEST_F(Layers, WrongNamesAreRefusedAndNamed) {
  const std::pair<Words, const char*> cases[] = {
      {{"--precision", "conv7=float32"}, "'conv7'"},
      {{"--layer-scheme", "conv8=static-affine"}, "'conv8'"},
      {{"--range", "tensor9=0:1"}, "'tensor9'"},
      {{"--range", "image=2:1"}, "'image'"},
      {{"--profile", "picture:1x1x28x28/1x1x28x28/1x1x28x28"}, "'picture'"},
      {{"--profile", "image:8x1x28x28/4x1x28x28/1x1x28x28"}, "'image'"},
      {{"--profile", "image:1x3x28x28/1x3x28x28/1x3x28x28"}, "'image'"},
      {{"--disable-pass", "fold-everything"}, "fold-everything"},
  };
  for (const auto& [words, named] : cases) {
    const Ended ended = build(words);
    EXPECT_EQ(ended.code, 2) << named << ended.err;
    EXPECT_EQ(ended.out, "") << named;
    EXPECT_TRUE(contains(ended.err, named));
  }
  EXPECT_FALSE(place_.has("m.plan"));
}

TEST_F(Layers, ProfilesBoundTheBatch) {
  const auto plan = inspect({"--profile", "1x1x28x28/2x1x28x28/4x1x28x28", "--profile",
                             "image:8x1x28x28/8x1x28x28/16x1x28x28"});
  EXPECT_EQ(plan.at("profiles"), 2);
  const auto run = [&](const std::string& batch, const Words& more = {}) {
    Words words{"run", "m.plan",       "--data", Digits::directory(), "--samples", "16",
                "-o",  batch + ".npz", "-q",     "--batch",           batch};
    words.insert(words.end(), more.begin(), more.end());
    return octile(place_, words);
  };
  for (const char* batch : {"1", "4", "8", "16"}) EXPECT_EQ(run(batch).code, 0) << batch;
  const std::string one = place_.read("1.npz");
  for (const char* name : {"4.npz", "8.npz", "16.npz"}) EXPECT_EQ(place_.read(name), one) << name;
  const Ended between = run("6");
  EXPECT_EQ(between.code, 1);
  EXPECT_TRUE(contains(between.err, "batch 6"));
  const Ended wrong = run("16", {"--profile", "0"});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_TRUE(contains(wrong.err, "'image'"));
  EXPECT_EQ(run("4", {"--profile", "2"}).code, 1);
  const std::string table = octile_ok(place_, {"inspect", "m.plan"});
  EXPECT_TRUE(contains(table, "(16, 1, 28, 28)"));
}

TEST_F(Layers, MetricsThatCannotBeAreRefused) {
  inspect({});
  const auto run = [&](const Words& more) {
    Words words{"run", "m.plan", "--data", Digits::directory(), "-q"};
    words.insert(words.end(), more.begin(), more.end());
    return octile(place_, words);
  };
  const Ended alone = run({"--metric", "agreement"});
  EXPECT_EQ(alone.code, 2);
  EXPECT_EQ(alone.out, "");  // told before anything runs
  EXPECT_TRUE(contains(alone.err, "--reference"));
  place_.write("labels.txt", "1\n2\n3\n");
  const Ended few = run({"--metric", "top1", "--labels", "labels.txt"});
  EXPECT_EQ(few.code, 1) << few.out;
  EXPECT_TRUE(contains(few.err, "500"));
  EXPECT_TRUE(contains(few.err, "3"));
  const Ended past = run({"--first", "500"});
  EXPECT_EQ(past.code, 1);
  EXPECT_TRUE(contains(past.err, "500"));
}

TEST(PublishedModel, DigitsAreReadInInt8) {
  const std::string model = OCTILE_SOURCE_DIR "/../shared/data/mnist/mnist_cntk_opset7.onnx";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << model << " is not on this machine";
  const Place place;
  const std::string digits = Digits::directory();
  octile_ok(place, {"build", model, "--dynamic-batch", "-q", "-o", "f.plan"});
  octile_ok(place, {"build", model, "--dynamic-batch", "--int8", "--int8-layers", "all",
                    "--calibrate", digits, "--samples", "100", "-q", "-o", "i.plan"});
  const auto run = [&](const std::string& plan, const Words& more) {
    Words words{"run", plan, "--data", digits, "-q", "--show", "0"};
    words.insert(words.end(), more.begin(), more.end());
    return octile_ok(place, words);
  };
  EXPECT_GE(number_after(run("f.plan", {}), "top1"), 0.98);
  EXPECT_GE(number_after(run("i.plan", {}), "top1"), 0.98);
  EXPECT_GE(
      number_after(run("i.plan", {"--metric", "agreement", "--reference", "f.plan"}), "agreement"),
      0.98);
}

}  // namespace
}  // namespace octile::test
