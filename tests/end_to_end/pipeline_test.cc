// The main road: calibrate → build → inspect → run → bench → retime on the committed digits.
// Accuracies, ranges and scales are held against the plain evaluation in digits.h.
#include <bit>

#include "end_to_end/digits.h"
#include "end_to_end/program.h"
#include "octile/data.h"

namespace octile::test {
namespace {

class Pipeline : public testing::Test {
 protected:
  Pipeline() { place_.write("m.onnx", network_.onnx()); }

  /// `more` follows: "build m.onnx --preprocess scale=1/255 -q".
  std::string build(const std::string& plan, const Words& more) {
    Words words{"build", "m.onnx", "--preprocess", "scale=1/255", "-q", "-o", plan};
    words.insert(words.end(), more.begin(), more.end());
    return octile_ok(place_, words);
  }
  void build_int8(const std::string& plan, const Words& more = {}) {
    Words words{"--int8", "--calibrate", Digits::directory(), "--tactics", "first"};
    words.insert(words.end(), more.begin(), more.end());
    build(plan, words);
  }
  std::string run(const std::string& plan, const Words& more) {
    Words words{"run", plan, "--data", Digits::directory(), "--batch", "8", "-q"};
    words.insert(words.end(), more.begin(), more.end());
    return octile_ok(place_, words);
  }
  Tensor scores(const std::string& plan) {
    run(plan, {"-o", plan + ".npz"});
    return load_npz(place_ / (plan + ".npz")).at("scores");
  }
  static double agreement(const Tensor& a, const Tensor& b) {
    int same = 0;
    for (int i = 0; i < Digits::kCount; ++i) {
      const float *x = a.as<float>() + i * 10, *y = b.as<float>() + i * 10;
      same += std::max_element(x, x + 10) - x == std::max_element(y, y + 10) - y;
    }
    return double(same) / Digits::kCount;
  }

  const Place place_;
  const DigitNetwork network_;
};

TEST_F(Pipeline, FloatPredictionsAndMetricsAreThoseOfThePlainEvaluation) {
  build("f.plan", {});
  const std::string said = run("f.plan", {"--show", "500", "-o", "f.npz"});
  for (int i = 0; i < Digits::kCount; ++i) {
    EXPECT_TRUE(contains(said, "sample " + std::to_string(i) + ": class " +
                                   std::to_string(network_.prediction(i)) + " ("));
  }
  EXPECT_EQ(number_after(said, "top1"), network_.hits(1) / 500.0);
  EXPECT_EQ(number_after(run("f.plan", {"--metric", "top5"}), "top5"), network_.hits(5) / 500.0);
  EXPECT_GT(network_.hits(1), 350);  // else the facts would prove little
  EXPECT_GT(network_.hits(5), network_.hits(1));
  const Tensor scores = load_npz(place_ / "f.npz").at("scores");
  ASSERT_EQ(scores.shape(), (Shape{500, 10}));
  for (int64_t i = 0; i < scores.volume(); ++i) {
    const double expected = network_.facts().scores[size_t(i / 10)][size_t(i % 10)];
    ASSERT_NEAR(scores.as<float>()[i], expected, 1e-4 * std::max(1.0, std::fabs(expected))) << i;
  }
  // A part of the samples, and labels from a file.
  std::string labels;
  for (const char label : Digits::get().labels) labels += std::to_string(label) + "\n";
  place_.write("labels.txt", labels);
  const Words part{"--first", "100", "--samples", "150", "--metric", "top1"};
  const double expected = std::round(1e4 * network_.hits(1, 100, 150) / 150.0) / 1e4;
  EXPECT_DOUBLE_EQ(number_after(run("f.plan", part), "top1"), expected);
  Words with_file = part;
  with_file.insert(with_file.end(), {"--labels", "labels.txt"});
  EXPECT_DOUBLE_EQ(number_after(run("f.plan", with_file), "top1"), expected);
}

TEST_F(Pipeline, CalibrateBuildInspectRunRetime) {
  octile_ok(place_, {"calibrate", "m.onnx", "--calibrate", Digits::directory(), "--preprocess",
                     "scale=1/255", "--cache", "m.cache"});
  const auto cache = nlohmann::json::parse(place_.read("m.cache"));
  EXPECT_EQ(cache.at("method"), "entropy");
  EXPECT_EQ(cache.at("samples"), 500);
  // NVIDIA's published scale of these images: docs/calibration.md.
  const float image = cache.at("tensors").at("image").at("threshold").get<float>();
  EXPECT_EQ(std::bit_cast<uint32_t>(image / 127.0f), 0x3c008912u);

  const Ended built = octile(place_, {"build", "m.onnx", "--int8", "--cache", "m.cache", "-o",
                                      "i.plan", "--tactics", "first"});
  EXPECT_EQ(built.code, 0) << built.err;
  EXPECT_TRUE(contains(built.err, "m.cache: "));
  build("f.plan", {});
  const auto plan = octile_json(place_, {"inspect", "i.plan"});
  EXPECT_EQ(plan.at("profiles"), 1);
  EXPECT_EQ(plan.at("preprocess").at("scale"), "1/255");  // it came with the cache
  EXPECT_FLOAT_EQ(layer_of(plan, "image").at("scale").get<float>(), image / 127.0f);
  for (const char* layer : {"conv1", "conv2", "fc"}) {
    EXPECT_TRUE(contains(layer_of(plan, layer).at("precision"), "int8"));
    EXPECT_GT(layer_of(plan, layer).at("weight_bytes").get<int>(), 0);
  }
  EXPECT_LT(place_.read("i.plan").size(), place_.read("f.plan").size());
  const std::string table = octile_ok(place_, {"inspect", "i.plan"});
  for (const auto& layer : plan.at("layers")) {
    EXPECT_TRUE(contains(table, layer.at("name")));
    EXPECT_TRUE(contains(table, layer.at("tactic")));
  }

  const Tensor int8 = scores("i.plan"), reference = scores("f.plan");
  const double same = agreement(int8, reference);
  EXPECT_GE(same, 0.97);
  EXPECT_EQ(
      number_after(run("i.plan", {"--metric", "agreement", "--reference", "f.plan"}), "agreement"),
      same);
  EXPECT_NEAR(number_after(run("i.plan", {}), "top1"), network_.hits(1) / 500.0, 0.03);

  const std::string before = place_.read("i.plan");
  octile_ok(place_, {"retime", "i.plan", "-o", "r.plan"});
  EXPECT_EQ(place_.read("i.plan"), before);
  octile_ok(place_, {"retime", "i.plan", "--timing-cache", "times"});
  EXPECT_TRUE(contains(octile_json(place_, {"inspect", "i.plan"}).at("built_on"), "timed"));
  EXPECT_GT(place_.read("times").size(), 0u);
  for (const char* name : {"i.plan", "r.plan"}) {
    const Tensor again = scores(name);
    EXPECT_EQ(std::memcmp(again.data(), int8.data(), int8.bytes()), 0) << name;
  }
}

TEST_F(Pipeline, BenchTellsWhatItMeasured) {
  build_int8("i.plan", {"--samples", "20", "--profile", "1x1x28x28/4x1x28x28/8x1x28x28"});
  const Words bench{"bench", "i.plan",   "--batch", "4",          "--threads",
                    "1",     "--warmup", "0.01",    "--duration", "0.05"};
  const auto json = octile_json(place_, bench);
  EXPECT_EQ(json.at("file"), "i.plan");
  EXPECT_EQ(json.at("batch"), 4);
  EXPECT_EQ(json.at("threads"), 1);
  EXPECT_EQ(json.at("profile"), 0);
  EXPECT_GE(json.at("runs").get<int>(), 1);
  EXPECT_EQ(json.at("isa"), octile_json(place_, {"devices"})[0].at("usable")[0]);
  const auto& ms = json.at("latency_ms");
  double last = 0.0;
  for (const char* name : {"min", "p50", "p90", "p95", "p99", "max"}) {
    EXPECT_GE(ms.at(name).get<double>(), last) << name;
    last = ms.at(name).get<double>();
  }
  const double mean = ms.at("mean").get<double>();
  EXPECT_GT(ms.at("min").get<double>(), 0.0);
  EXPECT_TRUE(ms.at("min").get<double>() <= mean && mean <= last) << ms;
  EXPECT_NEAR(json.at("throughput_per_s").get<double>() * mean / 4000.0, 1.0, 1e-6);

  Words with_layers = bench;
  with_layers.push_back("--layers");
  const std::string text = octile_ok(place_, with_layers);
  const auto inspected = octile_json(place_, {"inspect", "i.plan"});  // outlives the loop
  for (const auto& layer : inspected.at("layers")) {
    EXPECT_TRUE(contains(text, layer.at("name")));
  }
  const Ended too_many = octile(place_, {"bench", "i.plan", "--batch", "9"});
  EXPECT_EQ(too_many.code, 1);
  EXPECT_TRUE(contains(too_many.err, "batch 9"));
  const auto model = octile_json(
      place_, {"bench", "m.onnx", "--batch", "2", "--warmup", "0", "--duration", "0.01"});
  EXPECT_EQ(model.at("batch"), 2);
}

TEST_F(Pipeline, EachMethodGivesItsRange) {
  std::map<std::string, double> image, relu1;
  for (const std::string method : {"entropy", "minmax", "percentile", "mse"}) {
    octile_ok(place_, {"calibrate", "m.onnx", "--calibrate", Digits::directory(), "--preprocess",
                       "scale=1/255", "--cache", method, "--method", method, "-q"});
    const auto cache = nlohmann::json::parse(place_.read(method));
    EXPECT_EQ(cache.at("method"), method);
    image[method] = cache.at("tensors").at("image").at("threshold").get<double>();
    relu1[method] = cache.at("tensors").at("relu1").at("threshold").get<double>();
    if (method != "minmax") continue;
    EXPECT_NEAR(cache.at("tensors").at("edges").at("min").get<double>(), network_.facts().conv1_min,
                1e-5);
    EXPECT_NEAR(cache.at("tensors").at("edges").at("max").get<double>(), network_.facts().conv1_max,
                1e-5);
  }
  EXPECT_EQ(image["minmax"], 1.0);  // 255 / 255
  EXPECT_NEAR(relu1["minmax"], network_.facts().conv1_max, 1e-5);
  // 99.99 % of 500 · 28 · 28 pixels are below the percentile: count them.
  int above = 0;
  for (const char pixel : Digits::get().pixels)
    above += uint8_t(pixel) / 255.0 > image["percentile"];
  EXPECT_LE(above, 500 * 28 * 28 / 10000 + 1 +
                       count_of(Digits::get().pixels, "\xff"));  // equals cannot be parted
  for (const char* method : {"entropy", "percentile", "mse"}) {
    EXPECT_GT(relu1[method], 0.5 * relu1["minmax"]) << method;
    EXPECT_LE(relu1[method], relu1["minmax"]) << method;
  }
}

TEST_F(Pipeline, EachSchemeAgreesWithFloat) {
  build("f.plan", {});
  const Tensor reference = scores("f.plan");
  for (const std::string scheme :
       {"static-symmetric", "static-affine", "dynamic-symmetric", "dynamic-affine"}) {
    const bool dynamic = scheme.rfind("dynamic", 0) == 0;
    if (dynamic) {
      build("i.plan", {"--int8", "--scheme", scheme, "--tactics", "first"});  // needs no samples
    } else {
      build_int8("i.plan", {"--scheme", scheme});
    }
    EXPECT_GE(agreement(scores("i.plan"), reference), 0.97) << scheme;
    const auto plan = octile_json(place_, {"inspect", "i.plan"});
    EXPECT_TRUE(contains(layer_of(plan, "conv1").at("precision"), "int8")) << scheme;
    const double scale = plan.at("layers")[0].at("scale").get<double>();
    // Of pixels in [0, 1]: a symmetric step is 1/127, an affine one half as wide; a dynamic one is
    // known at run time only.
    const double expected = dynamic ? 0.0 : scheme == "static-symmetric" ? 1.0 / 127 : 1.0 / 255;
    EXPECT_NEAR(scale, expected, 1e-4) << scheme;
  }
}

}  // namespace
}  // namespace octile::test
