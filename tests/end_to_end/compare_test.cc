// `octile compare` and `--metric ap50`: what they print, what they write, what they refuse.
#include "end_to_end/digits.h"
#include "end_to_end/program.h"

namespace octile::test {
namespace {

class CompareCommand : public testing::Test {
 protected:
  CompareCommand() {
    place_.write("m.onnx", network_.onnx());
    octile_ok(place_, {"calibrate", "m.onnx", "--calibrate", Digits::directory(), "--preprocess",
                       "scale=1/255", "--cache", "m.cache", "-q"});
  }
  std::string compare(const Words& more) {
    Words words{"compare", "m.onnx", "--data", Digits::directory(), "-q", "--json", "c.json"};
    words.insert(words.end(), more.begin(), more.end());
    const std::string said = octile_ok(place_, words);
    json_ = nlohmann::json::parse(place_.read("c.json"), nullptr, false);
    EXPECT_TRUE(json_.is_object());
    return said;
  }

  const Place place_;
  const DigitNetwork network_;
  nlohmann::json json_;
};

TEST_F(CompareCommand, TheTableAndJsonSayTheSame) {
  octile_ok(place_, {"build", "m.onnx", "--int8", "--cache", "m.cache", "-o", "i.plan", "--tactics",
                     "first", "-q"});
  const std::string said = compare({"i.plan"});
  EXPECT_TRUE(contains(said, "SQNR dB"));
  EXPECT_TRUE(contains(said, "500 samples, "));
  EXPECT_EQ(json_.at("reference"), "m.onnx");
  EXPECT_EQ(json_.at("candidate"), "i.plan");
  EXPECT_EQ(json_.at("samples"), 500);
  const auto& metric = json_.at("metric");
  EXPECT_EQ(metric.at("name"), "top1");
  EXPECT_DOUBLE_EQ(metric.at("reference").get<double>(), network_.hits(1) / 500.0);
  const double ours = number_after(
      octile_ok(place_, {"run", "i.plan", "--data", Digits::directory(), "-q"}), "top1");
  EXPECT_NEAR(metric.at("candidate").get<double>(), ours, 1e-9);
  EXPECT_NEAR(number_after(said, "top1"), ours, 1e-9);
  const auto& tensors = json_.at("tensors");
  ASSERT_GE(tensors.size(), 3u);
  double before = -1e9;
  int int8 = 0;
  for (const auto& row : tensors) {
    EXPECT_TRUE(contains(said, row.at("tensor").get<std::string>().c_str()));
    const double sqnr = row.at("sqnr_db").get<double>();
    EXPECT_GT(sqnr, 15.0) << row.dump();
    EXPECT_LT(sqnr, 80.0) << row.dump();
    EXPECT_GT(row.at("cosine").get<double>(), 0.98) << row.dump();
    EXPECT_GT(row.at("max_abs_error").get<double>(), 0.0) << row.dump();
    if (!row.at("output").get<bool>()) {
      EXPECT_GE(sqnr, before) << "worst first";
    }
    before = sqnr;
    int8 += row.at("precision") == "int8" ? 1 : 0;
  }
  EXPECT_GE(int8, 2);
  EXPECT_EQ(tensors.back().at("tensor"), "scores");
  EXPECT_EQ(tensors.back().at("order"), tensors.size() - 1);
  EXPECT_TRUE(tensors.back().at("output").get<bool>());

  // The same engine, built on the spot from the cache.
  const auto of_plan = tensors;
  compare({"--int8", "--cache", "m.cache"});
  ASSERT_EQ(json_.at("tensors").size(), of_plan.size());
  for (size_t i = 0; i < of_plan.size(); ++i) {
    EXPECT_EQ(json_.at("tensors")[i].at("tensor"), of_plan[i].at("tensor"));
    EXPECT_NEAR(json_.at("tensors")[i].at("sqnr_db").get<double>(),
                of_plan[i].at("sqnr_db").get<double>(), 0.01);
  }
}

TEST_F(CompareCommand, AModelAgreesWithItself) {
  const std::string said = compare({"m.onnx", "--preprocess", "scale=1/255", "--first", "10",
                                    "--samples", "50", "--metric", "agreement"});
  EXPECT_EQ(json_.at("samples"), 50);
  EXPECT_EQ(number_after(said, "agreement"), 1.0);
  EXPECT_EQ(json_.at("metric").at("reference"), 1.0);
  for (const auto& row : json_.at("tensors")) {
    const auto& sqnr = row.at("sqnr_db");
    if (sqnr.is_null()) {
      EXPECT_EQ(row.at("max_abs_error"), 0.0) << row.dump();
    } else {
      EXPECT_GT(sqnr.get<double>(), 90.0) << row.dump();
    }
    EXPECT_EQ(row.at("precision"), "float32");
  }
}

TEST_F(CompareCommand, MistakesAreToldAtOnce) {
  const std::pair<Words, const char*> rows[] = {
      {{}, "needs a second model or plan"},
      {{"--int8"}, "--cache FILE"},
      {{"m.onnx", "--cache", "m.cache"}, "--cache: needs --int8"},
      {{"m.onnx", "--boxes", "yolox"}, "--boxes: needs --metric ap50"},
      {{"m.onnx", "--metric", "ap50"}, "needs --boxes"},
      {{"m.onnx", "--metric", "ap50", "--boxes", "ssd"}, "yolox"},
      {{"m.onnx", "--nms", "0.5"}, "--nms: needs --metric ap50"},
  };
  for (const auto& [more, says] : rows) {
    Words words{"compare", "m.onnx", "--data", Digits::directory()};
    words.insert(words.end(), more.begin(), more.end());
    const Ended ended = octile(place_, words);
    EXPECT_EQ(ended.code, 2) << ended.err;
    EXPECT_TRUE(contains(ended.err, says)) << ended.err;
    EXPECT_EQ(ended.out, "");
  }
  const Ended arrays = octile(place_, {"compare", "m.onnx", "m.onnx", "--data", Digits::directory(),
                                       "--metric", "ap50", "--boxes", "xyxy"});
  EXPECT_EQ(arrays.code, 1);
  EXPECT_TRUE(contains(arrays.err, "holds no pictures"));
}

// The figure is that of an evaluation of its own in Python: ONNX Runtime, Pillow's decoder, NumPy.
TEST(DetectionCommand, FastestDetFindsWhatAnotherEvaluationFinds) {
  const auto folder = std::filesystem::path(OCTILE_SOURCE_DIR) / "../shared/data/coco-detect";
  if (!std::filesystem::exists(folder / "FastestDet.onnx")) {
    GTEST_SKIP() << "no model at " << folder;
  }
  const Place place;
  octile_ok(place, {"build", (folder / "FastestDet.onnx").string(), "--preprocess",
                    "fit=stretch,color=bgr,scale=1/255", "--tactics", "first", "-o", "f.plan"});
  const std::string pictures = (folder / "val2017_cc/images").string();
  const Words words{"run", "f.plan", "--data", pictures, "--metric", "ap50", "--boxes"};
  Words right = words, wrong = words;
  right.emplace_back("fastestdet");
  wrong.emplace_back("yolox");
  EXPECT_NEAR(number_after(octile_ok(place, right), "ap50"), 0.4266, 0.004);
  const Ended refused = octile(place, wrong);
  EXPECT_EQ(refused.code, 1);
  EXPECT_TRUE(contains(refused.err, "boxes 'yolox' are one float32 output"));
}

}  // namespace
}  // namespace octile::test
