// Mistakes are told by their flag, before the long work, and nothing is silently ignored.
#include "end_to_end/program.h"
#include "formats/onnx_models.h"
#include "octile/data.h"

namespace octile::test {
namespace {

/// x (N, 4) → fc1 → relu → fc2 → y (N, 2), and ten samples.
class Refusal : public testing::Test {
 protected:
  void SetUp() override {
    Model model;
    model.input("x", {-1, 4}).output("y");
    model.floats("w1", {4, 2}, {1, -1, 2, 0, 0, 1, -2, 1}).floats("w2", {2, 2}, {1, 2, 3, 4});
    model.node("MatMul", {"x", "w1"}, {"a"}).named("fc1");
    model.node("Relu", {"a"}, {"r"}).named("relu");
    model.node("MatMul", {"r", "w2"}, {"y"}).named("fc2");
    place_.write("m.onnx", model.bytes());
    save_npy(place_ / "x.npy", counting<float>({10, 4}));
  }
  Ended octile_with(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return octile(place_, words);
  }
  Ended build(const Words& more) { return octile_with({"build", "m.onnx"}, more); }
  Ended build_int8(const Words& more) {
    return octile_with({"build", "m.onnx", "--int8", "--calibrate", "x.npy"}, more);
  }
  /// Exit code, every part in the message, no progress: nothing long had begun.
  void expect_refused(const Ended& ended, int code, const Words& parts) {
    EXPECT_EQ(ended.code, code) << ended.err;
    EXPECT_EQ(ended.out, "");
    EXPECT_EQ(count_of(ended.err, "10/10"), 0) << ended.err;
    for (const std::string& part : parts) EXPECT_TRUE(contains(ended.err, part));
  }

  const Place place_;
};

TEST_F(Refusal, FlagsOfInt8NeedInt8) {
  const std::pair<const char*, const char*> flags[] = {
      {"--calibrate", "x.npy"},      {"--cache", "c"},
      {"--scheme", "static-affine"}, {"--method", "mse"},
      {"--precision", "fc1=int8"},   {"--layer-scheme", "fc1=static-affine"},
      {"--range", "x=0:1"},          {"--samples", "3"}};
  for (const auto& [flag, value] : flags) {
    expect_refused(build({flag, value}), 2, {flag, "--int8"});
  }
  EXPECT_EQ(build({"--precision", "fc1=float32", "-q"}).code, 0);
}

TEST_F(Refusal, APlanTakesNoConstants) {
  EXPECT_EQ(build({"-o", "m.plan", "-q"}).code, 0);
  for (const Words& words : {Words{"inspect", "m.plan"}, {"bench", "m.plan"}, {"report", "m.plan"}})
    expect_refused(octile_with(words, {"--constant", "x=1"}), 2, {"--constant", "a plan"});
}

TEST_F(Refusal, WrongValuesAreUsageErrorsThatSayWhatIsAllowed) {
  const std::pair<Words, Words> cases[] = {
      {{"--profile", "x:1x4"}, {"--profile", "MIN/OPT/MAX"}},
      {{"--profile", "z:1x4/1x4/1x4"}, {"--profile", "'z'", "'x'"}},
      {{"--profile", "x:1x5/1x5/1x5"}, {"--profile", "'x'", "fixed at 4"}},
      {{"--profile", "x:8x4/4x4/1x4"}, {"--profile", "min <= opt <= max"}},
      {{"--metadata", "author"}, {"--metadata", "'author'", "KEY=VALUE"}},
      {{"--metadata", std::string(1025, 'k') + "="}, {"--metadata", "1025 bytes"}},
      {{"--metadata", "a=1", "--metadata", "a=2"}, {"--metadata", "'a' twice"}},
      {{"--constant", "shape"}, {"--constant", "'shape'", "NAME=VALUE"}},
      {{"--constant", "shape=1,x"}, {"--constant", "shape", "'1,x'", ".npy"}},
      {{"--constant", "s=1", "--constant", "s=2"}, {"--constant", "s", "given twice"}},
      {{"--precision", "fc1=foo"}, {"--precision", "'foo'", "float32, int8"}},
      {{"--precision", "fc9=int8"}, {"--precision", "'fc9'", "'fc1', 'relu', 'fc2'"}},
      {{"--layer-scheme", "fc9=static-affine"}, {"--layer-scheme", "'fc9'", "'fc1'"}},
      {{"--layer-scheme", "fc1=foo"}, {"--layer-scheme", "'foo'", "static-affine"}},
      {{"--range", "q=0:1"}, {"--range", "'q'", "'x', 'a', 'r', 'y'"}},
      {{"--range", "x=1:0"}, {"--range", "'x'"}},
      {{"--disable-pass", "foo"}, {"--disable-pass", "foo", "fold-bias"}},
      {{"--preprocess", "foo=1"}, {"--preprocess", "'foo'", "letterbox"}},
      {{"--percentile", "99"}, {"--percentile", "--method percentile"}},
      {{"--batch", "0"}, {"--batch: must be a positive integer, not '0'"}},
      {{"--samples", "many"}, {"--samples: must be a positive integer, not 'many'"}},
      {{"--threads", "-1"}, {"--threads: must be an integer from 0 on, not '-1'"}},
      {{"--first", "-1"}, {"--first: must be an integer from 0 on, not '-1'"}},
      {{"--isa", "mmx"}, {"--isa", "'mmx'", "portable"}},
  };
  for (const auto& [more, parts] : cases) expect_refused(build_int8(more), 2, parts);
}

TEST_F(Refusal, WhatCannotBeWrittenIsToldBeforeTheCalibration) {
  std::filesystem::create_directory(place_ / "directory");
  for (const std::string bad : {"nowhere/file", "directory"}) {
    expect_refused(build_int8({"-o", bad}), 1, {bad + ": cannot write -o"});
    expect_refused(build_int8({"--timing-cache", bad}), 1, {bad + ": cannot write --timing-cache"});
    expect_refused(octile(place_, {"calibrate", "m.onnx", "--calibrate", "x.npy", "--cache", bad}),
                   1, {bad + ": cannot write --cache"});
  }
  expect_refused(build_int8({"--cache", "nowhere/file"}), 1,
                 {"nowhere/file: cannot write --cache"});
  octile_ok(place_, {"build", "m.onnx", "-q"});
  expect_refused(octile(place_, {"run", "m.plan", "--data", "x.npy", "-o", "nowhere/y.npz"}), 1,
                 {"nowhere/y.npz: cannot write -o"});
  expect_refused(octile(place_, {"retime", "m.plan", "-o", "nowhere/m.plan"}), 1,
                 {"nowhere/m.plan: cannot write -o"});
}

TEST_F(Refusal, CalibratesOwnFlags) {
  const auto calibrate = [&](const Words& more) {
    return octile_with({"calibrate", "m.onnx", "--calibrate", "x.npy", "--cache", "c"}, more);
  };
  expect_refused(calibrate({"--format", "tensorrt", "--tensorrt-version", "8-6"}), 2,
                 {"--tensorrt-version", "'8-6'"});
  expect_refused(calibrate({"--tensorrt-version", "8601"}), 2, {"--format tensorrt"});
  EXPECT_FALSE(place_.has("c"));
}

TEST_F(Refusal, RunAndBenchTellBeforeTheyRun) {
  octile_ok(place_, {"build", "m.onnx", "-q"});
  const auto run = [&](const Words& more) {
    return octile_with({"run", "m.plan", "--data", "x.npy"}, more);
  };
  expect_refused(run({"--metric", "top1"}), 2, {"--metric top1", "--labels"});
  expect_refused(run({"--metric", "agreement"}), 2, {"--metric agreement", "--reference"});
  expect_refused(run({"--metric", "agreement", "--reference", "none.plan"}), 1, {"none.plan"});
  expect_refused(run({"--profile", "-5"}), 2, {"--profile", "'-5'"});
  expect_refused(run({"--show", "-3"}), 2, {"--show", "'-3'"});
  expect_refused(octile(place_, {"bench", "m.plan", "--profile", "-5"}), 2, {"--profile"});
}

TEST_F(Refusal, AnUnknownVerbIsNamedAndTheVerbsAreListed) {
  expect_refused(octile(place_, {"frob"}), 2, {"unknown verb 'frob'", "calibrate, build, run"});
  expect_refused(octile(place_, {"-q", "frob", "m.onnx"}), 2, {"unknown verb 'frob'"});
  expect_refused(octile(place_, {"--frob"}), 2, {"--help"});
}

TEST_F(Refusal, AnUnknownForcedIsaIsRefusedByEveryVerb) {
  const Start start{.environment = {{"OCTILE_FORCE_ISA", "mmx"}}};
  for (const Words& words : {Words{"devices"}, {"inspect", "m.onnx"}, {"build", "m.onnx"}}) {
    expect_refused(octile(place_, words, start), 2, {"OCTILE_FORCE_ISA", "'mmx'", "portable"});
  }
  EXPECT_EQ(octile(place_, {"build", "--help"}, start).code, 0);
}

TEST_F(Refusal, StaticAffineNeedsMoreThanTensorRtsCache) {
  octile_ok(place_, {"calibrate", "m.onnx", "--calibrate", "x.npy", "--cache", "trt", "--format",
                     "tensorrt", "-q"});
  const auto build = [&](const Words& more) {
    return octile_with({"build", "m.onnx", "--int8", "--cache", "trt", "-q"}, more);
  };
  EXPECT_EQ(build({}).code, 0);
  for (const Words& more :
       {Words{"--scheme", "static-affine"}, {"--layer-scheme", "fc1=static-affine"}}) {
    expect_refused(build(more), 1, {"static-affine", "TensorRT", "static-symmetric"});
  }
}

TEST_F(Refusal, APercentileWithoutAMethodIsNoSilence) {
  octile_ok(place_, {"calibrate", "m.onnx", "--calibrate", "x.npy", "--cache", "p", "--method",
                     "percentile", "--percentile", "99", "-q"});
  const Words build{"build", "m.onnx", "--int8", "--cache", "p", "-q"};
  EXPECT_EQ(octile_with(build, {}).code, 0);
  expect_refused(octile_with(build, {"--percentile", "98"}), 2, {"--method percentile"});
  expect_refused(octile_with(build, {"--method", "percentile", "--percentile", "98"}), 1,
                 {"another percentile (99, here 98)"});
}

TEST_F(Refusal, OneArrayIsNotEnoughForTwoInputs) {
  Model model;
  model.input("left", {-1, 4}).input("right", {-1, 4}).output("y");
  model.node("Add", {"left", "right"}, {"y"}).named("add");
  place_.write("two.onnx", model.bytes());
  octile_ok(place_, {"build", "two.onnx", "-q"});
  const Ended ended = octile(place_, {"run", "two.plan", "--data", "x.npy"});
  expect_refused(ended, 1, {"--data x.npy", "'left', 'right'", ".npz"});
}

TEST_F(Refusal, AFusedLayersNameMeansAllItsParts) {
  const auto precision = [&](const Words& more) {
    Words words{"-q", "--int8-layers", "all", "-o", "out.plan"};
    words.insert(words.end(), more.begin(), more.end());
    const Ended ended = build_int8(words);
    EXPECT_EQ(ended.code, 0) << ended.err;
    return layer_of(octile_json(place_, {"inspect", "out.plan"}), "fc1 + relu").at("precision");
  };
  EXPECT_TRUE(contains(precision({}), "int8"));
  EXPECT_EQ(precision({"--precision", "fc1 + relu=float32"}), "float32");
  expect_refused(build_int8({"--precision", "fc1 + foo=float32"}), 2, {"'foo'", "'fc1'"});
}

}  // namespace
}  // namespace octile::test
