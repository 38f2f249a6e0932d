// Calibration caches: a mismatch is loud, TensorRT's are taken, and neither threads nor batches
// show in them.
#include "end_to_end/digits.h"
#include "end_to_end/program.h"

namespace octile::test {
namespace {

class Cache : public testing::Test {
 protected:
  Cache() { place_.write("m.onnx", DigitNetwork().onnx()); }

  Words calibrate(const std::string& cache, const Words& more = {}) const {
    Words words{"calibrate", "m.onnx",       "--calibrate", Digits::directory(), "--samples",
                "40",        "--preprocess", "scale=1/255", "--cache",           cache};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  Ended build(const std::string& cache, const Words& more = {},
              const std::string& model = "m.onnx") {
    Words words{"build", model, "--int8", "--cache", cache, "--tactics", "first", "-o", "out.plan"};
    words.insert(words.end(), more.begin(), more.end());
    return octile(place_, words);
  }
  /// Refused with exit code 1; the message names the cache and `part`, and nothing is built.
  void expect_refused(const Ended& ended, const std::string& cache, const std::string& part) {
    EXPECT_EQ(ended.code, 1) << part << ended.err;
    EXPECT_EQ(ended.out, "") << part;
    EXPECT_TRUE(contains(ended.err, "error: " + cache + ": "));
    EXPECT_TRUE(contains(ended.err, part));
    EXPECT_FALSE(place_.has("out.plan")) << part;
    std::filesystem::remove(place_ / "out.plan");
  }

  const Place place_;
};

TEST_F(Cache, IsWrittenByBuildAndReadAgain) {
  const Words data{"--calibrate", Digits::directory(), "--samples",
                   "40",          "--preprocess",      "scale=1/255"};
  const Ended first = build("c", data);
  EXPECT_EQ(first.code, 0) << first.err;
  const std::string cache = place_.read("c"), plan = place_.read("out.plan");
  EXPECT_TRUE(contains(first.err, "40/40"));
  const Ended second = build("c", data);
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(second.err.find("40/40"), std::string::npos) << second.err;  // nothing is collected
  EXPECT_TRUE(contains(second.err, "c: "));
  EXPECT_EQ(place_.read("c"), cache);
  EXPECT_EQ(place_.read("out.plan"), plan);
  const Ended third = build("c");  // the cache alone says as much
  EXPECT_EQ(third.code, 0) << third.err;
  EXPECT_EQ(place_.read("out.plan"), plan);
  octile_ok(place_, calibrate("d"));
  EXPECT_EQ(place_.read("d"), cache);
}

TEST_F(Cache, OfSomethingElseIsRefused) {
  octile_ok(place_, calibrate("c", {"-q"}));
  octile_ok(place_, calibrate("p", {"-q", "--method", "percentile", "--percentile", "99"}));
  place_.write("other.onnx", DigitNetwork().onnx(1.5f));
  const std::string digits = Digits::directory();
  expect_refused(build("c", {}, "other.onnx"), "c", "another model");
  expect_refused(build("c", {"--method", "mse"}), "c", "another method (entropy, here mse)");
  expect_refused(build("c", {"--preprocess", "scale=1/128"}), "c", "another preprocessing");
  expect_refused(build("c", {"--preprocess", "scale=1"}), "c", "another preprocessing");
  expect_refused(build("c", {"--calibrate", digits, "--samples", "41"}), "c",
                 "another set of samples");
  expect_refused(build("c", {"--calibrate", digits, "--samples", "40", "--first", "1"}), "c",
                 "another set of samples");
  expect_refused(build("p", {"--method", "percentile", "--percentile", "98"}), "p",
                 "another percentile (99, here 98)");
  const Ended fine = build("p", {"--method", "percentile", "--percentile", "99"});
  EXPECT_EQ(fine.code, 0) << fine.err;
  std::filesystem::remove(place_ / "out.plan");
  const std::string path = nlohmann::json::parse(place_.read("c")).at("path");
  if (path != "reproducible") {
    expect_refused(build("c", {"--reproducible"}), "c", "another float path");
  }
  // Another batch or thread count is no mismatch.
  const Ended same = build("c", {"--calibrate", digits, "--samples", "40", "--batch", "7"});
  EXPECT_EQ(same.code, 0) << same.err;
}

TEST_F(Cache, ThatIsBrokenIsRefused) {
  octile_ok(place_, calibrate("c", {"-q"}));
  const std::string good = place_.read("c");
  place_.write("cut", good.substr(0, good.size() / 2));
  expect_refused(build("cut"), "cut", "JSON");
  std::string bits = good;
  bits[bits.find("\"bits\": \"") + 12] ^= 1;  // no longer what the numbers beside it say
  place_.write("bits", bits);
  expect_refused(build("bits"), "bits", "bits");
  place_.write("text", "hello\n");
  expect_refused(build("text"), "text", "calibration cache");
  place_.write("trt", "TRT-8601-EntropyCalibration2\nimage: zzz\n");
  expect_refused(build("trt"), "trt", "image");
}

TEST_F(Cache, OfTensorRtIsTakenAndUnknownNamesAreWarnedAboutOnce) {
  octile_ok(place_,
            calibrate("trt", {"-q", "--format", "tensorrt", "--tensorrt-version", "10300"}));
  std::string text = place_.read("trt");
  EXPECT_EQ(text.rfind("TRT-10300-EntropyCalibration2\n", 0), 0u) << text;
  const Ended silent = build("trt", {"-q"});
  EXPECT_EQ(silent.code, 0) << silent.err;
  EXPECT_EQ(silent.err, "");
  const std::string plan = place_.read("out.plan");
  octile_ok(place_, calibrate("own", {"-q"}));
  EXPECT_EQ(build("own", {"-q", "--preprocess", "scale=1/255"}).code, 0);
  const float scale = layer_of(octile_json(place_, {"inspect", "out.plan"}), "image").at("scale");
  place_.write("out.plan", plan);
  EXPECT_EQ(layer_of(octile_json(place_, {"inspect", "out.plan"}), "image").at("scale"), scale);

  place_.write("more", text + "foreign tensor: 3c010a14\nstranger: 3c010a14\n");
  const Ended warned = build("more", {"-q"});  // -q does not silence warnings
  EXPECT_EQ(warned.code, 0) << warned.err;
  EXPECT_EQ(count_of(warned.err, "warning: "), 1) << warned.err;
  EXPECT_TRUE(contains(warned.err, "'foreign tensor', 'stranger'"));
  EXPECT_EQ(place_.read("out.plan"), plan);
}

TEST_F(Cache, IsTheSameForAnyBatchAndThreads) {
  std::map<std::string, std::string> first;
  for (const std::string threads : {"1", "2"}) {
    for (const std::string batch : {"1", "7", "32"}) {
      octile_ok(place_, calibrate("c", {"-q", "--batch", batch, "--threads", threads}));
      const std::string bytes = place_.read("c");
      if (first.empty()) first["c"] = bytes;
      EXPECT_EQ(bytes, first["c"]) << "batch " << batch << ", threads " << threads;
    }
  }
  // So is the plain path's, which is slow; its ranges are nearly those of the fast one.
  for (const std::string batch : {"1", "3"}) {
    octile_ok(place_, calibrate("r", {"-q", "--reproducible", "--batch", batch, "--threads",
                                      batch == "1" ? "1" : "2"}));
    if (first.count("r") == 0) first["r"] = place_.read("r");
    EXPECT_EQ(place_.read("r"), first["r"]);
  }
  octile_ok(place_, calibrate("f", {"-q"}));
  const auto plain = nlohmann::json::parse(first["r"]),
             fast = nlohmann::json::parse(place_.read("f"));
  EXPECT_EQ(plain.at("path"), "reproducible");
  for (const auto& [name, entry] : plain.at("tensors").items()) {
    const double max = entry.at("max");
    EXPECT_NEAR(fast.at("tensors").at(name).at("max").get<double>(), max, 1e-5 * (1 + max)) << name;
  }
}

TEST_F(Cache, SeedDrawsTheSameSamplesAgain) {
  std::map<std::string, std::string> bytes;
  for (const char* name : {"1", "1again", "2"}) {
    octile_ok(place_, calibrate(name, {"-q", "--seed", std::string(name, 1)}));
    bytes[name] = place_.read(name);
  }
  EXPECT_EQ(bytes["1"], bytes["1again"]);
  EXPECT_NE(bytes["1"], bytes["2"]);
}

}  // namespace
}  // namespace octile::test
