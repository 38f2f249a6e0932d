// octile quantize: an ONNX model goes in, a quantized one comes out that means what the engine
// computes; and calibrations that a signal ended go on.
#include <chrono>
#include <thread>

#include "end_to_end/digits.h"
#include "end_to_end/program.h"
#include "octile/data.h"
#include "octile/onnx.h"

namespace octile::test {
namespace {

class QuantizeCommand : public testing::Test {
 protected:
  QuantizeCommand() { place_.write("m.onnx", DigitNetwork().onnx()); }

  Words data(const Words& more = {}) const {
    Words words{"--calibrate", Digits::directory(), "--samples",
                "40",          "--preprocess",      "scale=1/255"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::string quantize(const Words& more) {
    Words words{"quantize", "m.onnx", "-q"};
    words.insert(words.end(), more.begin(), more.end());
    return octile_ok(place_, words);
  }
  /// Scores of all digits by an engine of `model`.
  std::map<std::string, Tensor> scores(const std::string& model, const Words& build = {}) {
    Words words{"build", model, "-q", "--tactics", "first", "-o", "s.plan"};
    words.insert(words.end(), build.begin(), build.end());
    octile_ok(place_, words);
    octile_ok(place_, {"run", "s.plan", "-q", "--data", Digits::directory(), "--preprocess",
                       "scale=1/255", "-o", "s.npz"});
    return load_npz(place_ / "s.npz");
  }

  const Place place_;
};

TEST_F(QuantizeCommand, TensorRtStyleGivesTheEnginesBytes) {
  const std::string said = quantize(data({"--style", "tensorrt", "--cache", "c", "-o", "q.onnx"}));
  EXPECT_TRUE(contains(said, "q.onnx: "));
  EXPECT_TRUE(contains(said, "style tensorrt"));
  EXPECT_TRUE(contains(said, "(3 of 3 convolutions and products)"));
  EXPECT_EQ(scores("q.onnx"), scores("m.onnx", {"--int8", "--cache", "c"}));
}

TEST_F(QuantizeCommand, OnnxRuntimeStyleIsTheDefaultAndKeepsTheDigits) {
  const std::string said = quantize(data());
  EXPECT_TRUE(contains(said, "m.qdq.onnx: "));
  EXPECT_TRUE(contains(said, "style onnxruntime"));
  const Tensor exact = scores("m.onnx").at("scores"), q = scores("m.qdq.onnx").at("scores");
  int same = 0;
  for (int i = 0; i < Digits::kCount; ++i) {
    const auto best = [&](const Tensor& t) {
      const float* row = t.as<float>() + i * DigitNetwork::kClasses;
      return std::max_element(row, row + DigitNetwork::kClasses) - row;
    };
    same += best(exact) == best(q) ? 1 : 0;
  }
  EXPECT_GE(same, Digits::kCount * 98 / 100);
  EXPECT_FALSE(place_.has("m.qdq.onnx.partial"));
}

TEST_F(QuantizeCommand, ATensorRtCacheNeedsNoData) {
  Words calibrate{"calibrate", "m.onnx", "-q", "--cache", "trt", "--format", "tensorrt"};
  const Words from = data();
  calibrate.insert(calibrate.end(), from.begin(), from.end());
  octile_ok(place_, calibrate);
  for (const char* style : {"tensorrt", "onnxruntime"}) {
    const std::string said =
        quantize({"--cache", "trt", "--style", style, "-o", "q.onnx", "--table", "ncnn.table"});
    EXPECT_TRUE(contains(said, "(3 of 3 convolutions and products)")) << style;
    EXPECT_TRUE(contains(said, "ncnn.table: ncnn's calibration table"));
    EXPECT_EQ(scores("q.onnx").at("scores").shape(), (Shape{Digits::kCount, 10}));
  }
  const std::string table = place_.read("ncnn.table");
  for (const char* part :
       {"conv1_param_0 ", "\nconv2_param_0 ", "\nfc_param_0 ", "\nconv1 ", "\nconv2 ", "\nfc "}) {
    EXPECT_TRUE(contains(table, part));
  }
  // A cache that lacks the image's range: its convolution stays float, and one warning says so.
  const std::string whole = place_.read("trt");
  const size_t line = whole.find("image: ");
  ASSERT_NE(line, std::string::npos);
  place_.write("part", whole.substr(0, line) + whole.substr(whole.find('\n', line) + 1));
  const Ended ended = octile(
      place_, {"quantize", "m.onnx", "--cache", "part", "--style", "tensorrt", "-o", "q.onnx"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_TRUE(contains(ended.out, "(2 of 3 convolutions and products)"));
  EXPECT_TRUE(contains(ended.out, "no range for tensor 'image'"));
  EXPECT_EQ(count_of(ended.err, "stay float because a range is missing"), 1) << ended.err;
}

TEST_F(QuantizeCommand, TakesRequestsByName) {
  const std::string said =
      quantize(data({"--precision", "fc=float32", "--range", "image=0:1", "-o", "q.onnx"}));
  EXPECT_TRUE(contains(said, "float32 was asked for"));
  EXPECT_TRUE(contains(said, "(2 of 3 convolutions and products)"));
}

TEST_F(QuantizeCommand, RefusesWhatCannotBe) {
  const auto refused = [&](const Words& words, int code, const std::string& part) {
    Words all{"quantize", "m.onnx", "-o", "q.onnx"};
    all.insert(all.end(), words.begin(), words.end());
    const Ended ended = octile(place_, all);
    EXPECT_EQ(ended.code, code) << ended.err;
    EXPECT_TRUE(contains(ended.err, part));
    EXPECT_FALSE(place_.has("q.onnx"));
  };
  refused({}, 2, "needs --calibrate DATA, --cache FILE or --range");
  refused({"--cache", "missing"}, 1, "no such cache");
  refused({"--cache", "c", "--style", "coreml"}, 2, "--style");
  refused(data({"--table", "none/t"}), 1, "cannot write --table");
  refused(data({"--precision", "con=int8"}), 2, "'con'");
  refused(data({"--disable-pass", "magic"}), 2, "magic");
}

/// Starts the program and ends it without warning as soon as the file is there. False: it was done
/// before.
bool killed_at(const Place& place, Words words, const std::string& file) {
  words.insert(words.begin(), OCTILE_PROGRAM);
  const Place streams;
  const pid_t child = fork();
  if (child == 0) become(words, place, {}, streams / "out", streams / "err");
  int status = 0;
  while (!place.has(file) && waitpid(child, &status, WNOHANG) == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return place.has(file);
}

TEST_F(QuantizeCommand, AKilledCalibrationGoesOn) {
  constexpr int64_t kRepeats = 4;
  Tensor many(DataType::kFloat32, Shape{kRepeats * Digits::kCount, 1, 28, 28});
  for (int64_t i = 0; i < many.volume(); ++i) {
    const auto p = static_cast<size_t>(i) % Digits::get().pixels.size();
    many.as<float>()[i] = static_cast<float>(static_cast<uint8_t>(Digits::get().pixels[p])) / 255;
  }
  save_npy(place_ / "many.npy", many);
  const auto calibrate = [](const std::string& cache) {
    return Words{"calibrate", "m.onnx", "--calibrate", "many.npy", "--cache", cache};
  };
  octile_ok(place_, calibrate("whole"));
  bool killed = false;
  for (int attempt = 0; attempt < 10 && !killed; ++attempt) {  // a busy machine may look too late
    std::filesystem::remove(place_ / "c");
    killed = killed_at(place_, calibrate("c"), "c.partial");
  }
  ASSERT_TRUE(killed) << "it was too fast to be killed";
  EXPECT_FALSE(place_.has("c"));
  const Ended ended = octile(place_, calibrate("c"));
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_TRUE(contains(ended.err, "c.partial: resuming from sample "));
  EXPECT_EQ(place_.read("c"), place_.read("whole"));
  EXPECT_FALSE(place_.has("c.partial"));
}

}  // namespace
}  // namespace octile::test
