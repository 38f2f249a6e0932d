// collect() and the calibrators on real small networks: what the table depends on, and what not.
#include "calibrate/driver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <random>

#include "base/bytes.h"
#include "calibrate/histogram.h"
#include "calibrate/warnings.h"
#include "support/gpu.h"

namespace octile {
namespace {

Tensor random_tensor(const Shape& shape, uint32_t seed, float scale = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  Tensor tensor(DataType::kFloat32, shape);
  for (int64_t i = 0; i < tensor.volume(); ++i) tensor.as<float>()[i] = normal(random);
  return tensor;
}

/// conv → relu → global average → fully connected → softmax, batch `batch` (−1: dynamic).
Network small_network(int64_t batch, uint32_t seed = 1) {
  Network network("small");
  const TensorId x = network.add_input("image", DataType::kFloat32, {batch, 2, 6, 6});
  Convolution convolution;
  convolution.window.kernel = {3, 3};
  const TensorId c =
      network.convolution(x, random_tensor({4, 2, 3, 3}, seed), std::nullopt, convolution, "conv");
  const TensorId r = network.activation(c, ActivationKind::kRelu, 0, 0, "relu");
  const TensorId flat = network.reshape(r, {-1, 64}, "flat");
  const TensorId y =
      network.fully_connected(flat, random_tensor({64, 5}, seed + 1), std::nullopt, "fc");
  network.mark_output(network.softmax(y, {1}, "prob"), "prob");
  return network;
}

/// Rows of `all`, in `order`, in batches of the sizes that `cut` gives in turn.
class ListSource : public BatchSource {
 public:
  ListSource(const Tensor& all, std::vector<int64_t> order, std::vector<int64_t> cut)
      : all_(all), order_(std::move(order)), cut_(std::move(cut)) {}
  std::optional<Batch> next() override {
    if (at_ == order_.size()) return std::nullopt;
    const size_t rows =
        std::min(order_.size() - at_, static_cast<size_t>(cut_[turn_++ % cut_.size()]));
    Shape shape = all_.shape();
    const auto row = static_cast<size_t>(all_.volume() / shape[0]);
    shape[0] = static_cast<int64_t>(rows);
    Tensor part(DataType::kFloat32, shape);
    for (size_t r = 0; r < rows; ++r) {
      std::copy_n(all_.as<float>() + static_cast<size_t>(order_[at_++]) * row, row,
                  part.as<float>() + r * row);
    }
    return Batch{{"", std::move(part)}};
  }
  void rewind() override { at_ = turn_ = 0; }
  int64_t size() const override { return static_cast<int64_t>(order_.size()); }
  std::string digest() override { return "data"; }

 private:
  Tensor all_;
  std::vector<int64_t> order_, cut_;
  size_t at_ = 0, turn_ = 0;
};

std::vector<int64_t> in_order(int64_t count) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

TEST(Collect, DoesNotDependOnOrderBatchSizeOrThreads) {
  const Tensor images = random_tensor({37, 2, 6, 6}, 3);
  for (bool reproducible : {true, false}) {
    const Network network = small_network(-1);
    CalibrationOptions options;
    options.reproducible = reproducible;
    options.threads = 1;
    ListSource first(images, in_order(37), {1});
    const CalibrationData expected = collect(network, first, options);
    EXPECT_EQ(expected.samples, 37);
    options.method = CalibrationMethod::kMse;
    const std::string table = compute_table(expected, options).to_json();
    std::mt19937 random(7);
    for (int threads : {1, 2, 3, 8}) {
      for (const std::vector<int64_t>& cut :
           std::vector<std::vector<int64_t>>{{1}, {8}, {37}, {5, 1, 9}}) {
        std::vector<int64_t> order = in_order(37);
        std::shuffle(order.begin(), order.end(), random);
        ListSource source(images, order, cut);
        options.threads = threads;
        const CalibrationData data = collect(network, source, options);
        EXPECT_EQ(data.histograms, expected.histograms) << threads;
        if (cut.size() > 1) {
          EXPECT_EQ(compute_table(data, options).to_json(), table);
        }
      }
    }
  }
}

TEST(Collect, SeesEveryFloatTensorWithTheValuesOfThePlainNetwork) {
  const Network network = small_network(-1);
  const Tensor images = random_tensor({9, 2, 6, 6}, 4);
  ListSource source(images, in_order(9), {4});
  CalibrationOptions options;
  options.reproducible = true;
  const CalibrationData data = collect(network, source, options);
  std::vector<std::string> names;
  for (const auto& [name, h] : data.histograms) names.push_back(name);
  std::vector<std::string> expected = {"image", "prob"};
  for (const LayerId layer : network.layers()) {
    const TensorId out = network.output(layer);
    if (network.constant_value(out) == nullptr && network.name(out) != "prob") {
      expected.push_back(network.name(out));
    }
  }
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(names, expected);
  const auto [low, high] =
      std::minmax_element(images.as<float>(), images.as<float>() + images.volume());
  const Histogram& input = data.histograms.at("image");
  EXPECT_EQ(input.min, *low);
  EXPECT_EQ(input.max, *high);
  EXPECT_EQ(input.finite, 9u * 72);
  const Histogram& prob = data.histograms.at("prob");
  EXPECT_EQ(prob.finite, 9u * 5);
  EXPECT_EQ(std::accumulate(prob.positive.begin(), prob.positive.end(), uint64_t{0}), 45u);
  EXPECT_GE(prob.min, 0.0f);
  EXPECT_LE(prob.max, 1.0f);
  EXPECT_EQ(data.path, "reproducible");
  EXPECT_EQ(data.model_digest, network.digest());
}

TEST(Collect, AFixedBatchGivesWhatADynamicOneGives) {
  const Tensor images = random_tensor({10, 2, 6, 6}, 5);  // the last chunk of 4 has 2 samples
  CalibrationOptions options;
  options.reproducible = true;
  ListSource source(images, in_order(10), {3});
  const CalibrationData dynamic = collect(small_network(-1), source, options);
  const CalibrationData fixed = collect(small_network(4), source, options);
  EXPECT_EQ(fixed.histograms, dynamic.histograms);
  EXPECT_EQ(fixed.samples, 10);
}

TEST(Collect, OnAGpuItCountsWhatTheCpuCounts) {
  OCTILE_NEED_GPU(gpu);
  Tensor images = random_tensor({10, 2, 6, 6}, 5);
  images.as<float>()[7] = std::numeric_limits<float>::quiet_NaN();
  images.as<float>()[100] = std::numeric_limits<float>::infinity();
  images.as<float>()[200] = -0.0f;
  ListSource source(images, in_order(10), {4});
  for (const int64_t batch : {-1, 4}) {
    CalibrationOptions options;
    const CalibrationData expected = collect(small_network(batch), source, options);
    options.device = "cuda:0";
    const CalibrationData data = collect(small_network(batch), source, options);
    EXPECT_EQ(data.path, "cuda");
    EXPECT_EQ(data.samples, 10);
    EXPECT_EQ(data.histograms.at("image"), expected.histograms.at("image"));
    for (const auto& [name, h] : expected.histograms) {
      const Histogram& found = data.histograms.at(name);
      EXPECT_TRUE(same_counts(found, h) || !gpu.is_simulated()) << name;
      EXPECT_NEAR(found.max, h.max, 1e-4 * std::fabs(h.max)) << name;
      EXPECT_NEAR(found.min, h.min, 1e-4 * std::fabs(h.min)) << name;
    }
  }
}

TEST(Collect, ReportsProgressFromTheCallingThread) {
  const Tensor images = random_tensor({20, 2, 6, 6}, 5);
  ListSource source(images, in_order(20), {20});
  CalibrationOptions options;
  options.reproducible = true;
  options.threads = 2;
  std::vector<std::string> phases;
  int64_t last = 0;
  options.progress = [&](std::string_view phase, int64_t done, int64_t total) {
    if (phases.empty() || phases.back() != phase) phases.emplace_back(phase);
    EXPECT_LE(done, total);
    last = done;
    EXPECT_TRUE(total == 20 || phase == "thresholds") << total;
  };
  const CalibrationTable table = calibrate(small_network(-1), source, options);
  EXPECT_EQ(phases, (std::vector<std::string>{"ranges", "histograms", "thresholds"}));
  EXPECT_EQ(last, static_cast<int64_t>(table.entries.size()));
}

std::string refusal(const Network& network, BatchSource& source,
                    const CalibrationOptions& options = {}) {
  try {
    collect(network, source, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

TEST(Collect, RefusesDataThatDoesNotFit) {
  const Network network = small_network(-1);
  ListSource wrong(random_tensor({3, 2, 6, 7}, 1), in_order(3), {3});
  EXPECT_NE(refusal(network, wrong).find("input 'image' needs shape (-1, 2, 6, 6)"),
            std::string::npos);
  ListSource none(random_tensor({3, 2, 6, 6}, 1), {}, {1});
  EXPECT_NE(refusal(network, none).find("no samples"), std::string::npos);
  CalibrationOptions options;
  options.input_shapes["image"] = {2, 6, 8};
  ListSource fine(random_tensor({3, 2, 6, 6}, 1), in_order(3), {3});
  EXPECT_NE(refusal(network, fine, options).find("contradicts the network's"), std::string::npos);
  Network two = small_network(-1);
  two.add_input("other", DataType::kFloat32, {-1, 3});
  EXPECT_NE(refusal(two, fine).find("the network's input 'image'"), std::string::npos);
}

class ShrinkingSource : public ListSource {
 public:
  using ListSource::ListSource;
  void rewind() override {
    if (++rewinds_ < 2) ListSource::rewind();
  }

 private:
  int rewinds_ = 0;
};

TEST(Collect, NoticesASourceThatDoesNotRepeatItself) {
  ShrinkingSource source(random_tensor({3, 2, 6, 6}, 1), in_order(3), {3});
  EXPECT_NE(refusal(small_network(-1), source).find("rewind()"), std::string::npos);
}

class FailingRunner : public FloatRunner {
 public:
  void run(const std::map<std::string, Tensor>& inputs, const ValueObserver&) override {
    const float first = inputs.at("image").as<float>()[0];
    if (first == 11.0f) throw Error(ErrorCode::kInternal, "layer 'conv': broke");
  }
};

TEST(Collect, NamesTheSampleThatFailed) {
  Tensor images(DataType::kFloat32, {8, 2, 6, 6});
  images.as<float>()[5 * 72] = 11.0f;
  ListSource source(images, in_order(8), {8});
  try {
    collect_with(
        small_network(-1), source, {},
        [](const Network&) { return std::make_unique<FailingRunner>(); }, "test");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "calibration sample 5: layer 'conv': broke");
  }
}

TEST(ComputeTable, GivesOneWarningAKindThatNamesTensors) {
  Network network("odd");
  const TensorId x = network.add_input("x", DataType::kFloat32, {-1, 4});
  network.mark_output(network.activation(x, ActivationKind::kRelu, 0, 0, "relu"), "zeros");
  network.mark_output(network.unary(x, UnaryKind::kLog, "log"), "nans");
  network.mark_output(network.unary(x, UnaryKind::kExp, "exp"), "exps");
  Tensor samples(DataType::kFloat32, {2, 4});
  std::fill_n(samples.as<float>(), 8, -2.0f);
  ListSource source(samples, in_order(2), {1});
  CalibrationOptions options;
  options.reproducible = true;
  std::vector<std::string> logged;
  options.log = [&](LogLevel level, std::string_view text) {
    if (level == LogLevel::kWarning) logged.emplace_back(text);
  };
  const CalibrationTable table = calibrate(network, source, options);
  EXPECT_EQ(logged, table.warnings);
  ASSERT_EQ(table.warnings.size(), 4u);
  EXPECT_NE(table.warnings[0].find("1 tensor(s) hold NaN: 'nans'"), std::string::npos);
  EXPECT_NE(table.warnings[1].find("no finite value: 'nans'"), std::string::npos);
  EXPECT_NE(table.warnings[2].find("zero in every sample: 'zeros'"), std::string::npos);
  EXPECT_NE(table.warnings[3].find("one value in every sample: 'exps', 'x'"), std::string::npos);
  EXPECT_EQ(table.entries.at("zeros").threshold, 0.0f);
  EXPECT_EQ(table.entries.at("x").threshold, 2.0f);
  EXPECT_EQ(table.entries.at("x").range, (Range{-2.0f, -2.0f}));
}

TEST(ComputeTable, WarnsOfRangesThatClipManyValues) {
  CalibrationData data;
  for (const auto& [name, far] : {std::pair{"few", 9}, {"many", 11}}) {  // of 1000, beyond the rest
    std::vector<float> values(1000 - far);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 200) / 200.0f;
    values.insert(values.end(), static_cast<size_t>(far), -100.0f);
    Histogram range;
    add_to_range(range, values);
    BinCounter counter(range);
    counter.add(values);
    data.histograms.emplace(name, counter.finish());
  }
  CalibrationTable table;
  table.method = "entropy";
  table.entries = {{"few", {{-1.0f, 1.0f}, 1.0f}}, {"many", {{-100.0f, 1.0f}, 1.0f}}};
  const std::string warning = clipping_warning(data, table);
  EXPECT_NE(warning.find("1 tensor(s) lose more than 1 %"), std::string::npos) << warning;
  EXPECT_NE(warning.find("'entropy': 'many'"), std::string::npos) << warning;
  table.entries["many"] = {{-1.0f, 1.0f}, 100.0f};  // the affine range counts as well
  EXPECT_EQ(clipping_warning(data, table), warning);
  table.method = "percentile";
  EXPECT_EQ(clipping_warning(data, table), "") << "the share was asked for";
  CalibrationOptions options;
  options.method = CalibrationMethod::kMinMax;
  EXPECT_TRUE(compute_table(data, options).warnings.empty());
}

/// Writes down the order of calls.
class ScriptedCalibrator : public Calibrator {
 public:
  explicit ScriptedCalibrator(const Tensor& samples, std::optional<std::string> cache = {})
      : samples_(samples), cache_(std::move(cache)) {}
  CalibrationMethod method() const override { return CalibrationMethod::kMinMax; }
  int64_t batch_size() const override { return 2; }
  std::optional<Batch> next_batch() override {
    calls += "n";
    if (fail) throw std::runtime_error("camera unplugged");
    if (calls.find_first_not_of("rn") == std::string::npos &&
        std::count(calls.begin(), calls.end(), 'n') > 3) {
      return std::nullopt;
    }
    return Batch{{"image", samples_}};
  }
  std::optional<std::string> read_cache() override {
    calls += "r";
    return cache_;
  }
  void write_cache(const std::string& bytes) override {
    calls += "w";
    written = bytes;
  }
  std::string data_digest() override { return digest; }

  std::string calls, written, digest;
  bool fail = false;

 private:
  Tensor samples_;
  std::optional<std::string> cache_;
};

TEST(CalibratorCycle, CallsInOrderAndReadsEachBatchOnce) {
  const Network network = small_network(-1);
  const Tensor samples = random_tensor({2, 2, 6, 6}, 9);
  ScriptedCalibrator calibrator(samples);
  const CalibrationTable table = calibrate(network, calibrator);
  EXPECT_EQ(calibrator.calls, "rnnnnw");
  EXPECT_EQ(table.method, "minmax");
  EXPECT_EQ(table.samples, 6);
  EXPECT_EQ(table.data_digest.size(), 16u);
  EXPECT_EQ(calibrator.written, table.to_json());

  ScriptedCalibrator cached(samples, calibrator.written);
  const CalibrationTable again = calibrate(network, cached);
  EXPECT_EQ(cached.calls, "r");
  EXPECT_EQ(again.to_json(), table.to_json());
}

std::string cycle_error(const Network& network, Calibrator& calibrator,
                        const CalibrationOptions& options = {}) {
  try {
    calibrate(network, calibrator, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(CalibratorCycle, RefusesACacheOfAnotherModelDataOrMethod) {
  const Network network = small_network(-1);
  const Tensor samples = random_tensor({2, 2, 6, 6}, 9);
  ScriptedCalibrator first(samples);
  first.digest = "0000000000000001";
  CalibrationTable table = calibrate(network, first);
  EXPECT_EQ(table.data_digest, first.digest);

  ScriptedCalibrator cached(samples, table.to_json());
  EXPECT_NE(cycle_error(small_network(-1, 2), cached).find("another model"), std::string::npos);
  cached.digest = "0000000000000002";
  EXPECT_NE(cycle_error(network, cached).find("another set of samples"), std::string::npos);
  cached.digest = first.digest;
  EXPECT_EQ(cycle_error(network, cached), "accepted");
  CalibrationOptions options;
  options.preprocess = "{}";
  table.preprocess = R"({"scale": 2})";
  ScriptedCalibrator other(samples, table.to_json());
  EXPECT_NE(cycle_error(network, other, options).find("another preprocessing"), std::string::npos);
  table.method = "entropy";
  ScriptedCalibrator method(samples, table.to_json());
  EXPECT_NE(cycle_error(network, method).find("another method (entropy, here minmax)"),
            std::string::npos);
  table.method = "minmax";
  table.path = "onednn";
  table.preprocess = "";
  options = {};
  options.reproducible = true;
  ScriptedCalibrator path(samples, table.to_json());
  EXPECT_NE(cycle_error(network, path, options).find("another float path"), std::string::npos);
  ScriptedCalibrator broken(samples, "not a cache");
  EXPECT_NE(cycle_error(network, broken).find("no calibration cache"), std::string::npos);
}

TEST(CalibratorCycle, ATensorRtCacheWarnsOnceAboutNames) {
  const Network network = small_network(-1);
  const Tensor samples = random_tensor({2, 2, 6, 6}, 9);
  std::string text = "TRT-8401-EntropyCalibration2\n";
  for (const TensorId id : observed_tensors(network)) text += network.name(id) + ": 3c010a14\n";
  ScriptedCalibrator complete(samples, text);
  EXPECT_TRUE(calibrate(network, complete).warnings.empty());
  EXPECT_EQ(complete.calls, "r");
  text.erase(text.find("image:"), std::string("image: 3c010a14\n").size());
  ScriptedCalibrator partial(samples, text + "stranger: 3c010a14\n");
  const CalibrationTable table = calibrate(network, partial);
  ASSERT_EQ(table.warnings.size(), 1u);
  EXPECT_NE(table.warnings[0].find("1 of the network have no range ('image')"), std::string::npos);
  EXPECT_NE(table.warnings[0].find("1 of the cache are not in the network ('stranger')"),
            std::string::npos);
}

TEST(CalibratorCycle, ExceptionsOfTheUserGoOnWithContextAndTheOriginal) {
  ScriptedCalibrator calibrator(random_tensor({2, 2, 6, 6}, 9));
  calibrator.fail = true;
  try {
    calibrate(small_network(-1), calibrator);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "calibrator's next_batch() threw: camera unplugged");
    EXPECT_THROW(std::rethrow_if_nested(error), std::runtime_error);
  }
  EXPECT_EQ(calibrator.calls, "rn");
}

TEST(SourceCalibrator, WritesAndReadsItsCacheInEitherForm) {
  const Network network = small_network(-1);
  const Tensor samples = random_tensor({6, 2, 6, 6}, 9);
  const std::string file = testing::TempDir() + "octile_source_calibrator_test.cache";
  for (bool tensorrt : {false, true}) {
    std::filesystem::remove(file);
    const auto make = [&] {
      return SourceCalibrator(
          std::make_unique<ListSource>(samples, in_order(6), std::vector<int64_t>{4}),
          CalibrationMethod::kEntropy, file, 4, tensorrt);
    };
    SourceCalibrator first = make(), second = make();
    const CalibrationTable made = calibrate(network, first);
    EXPECT_EQ(read_file(file).starts_with("TRT-8601-EntropyCalibration2\n"), tensorrt);
    const CalibrationTable read = calibrate(network, second);
    for (const auto& [name, entry] : made.entries) {
      EXPECT_EQ(read.entries.at(name).threshold, entry.threshold) << name;
    }
    EXPECT_EQ(read.to_json() == made.to_json(), !tensorrt);
  }
  std::filesystem::remove(file);
  SourceCalibrator without(
      std::make_unique<ListSource>(samples, in_order(6), std::vector<int64_t>{4}),
      CalibrationMethod::kEntropy);
  EXPECT_EQ(calibrate(network, without).samples, 6);
  EXPECT_EQ(calibrate(network, without).samples, 6);  // starts its source again
}

}  // namespace
}  // namespace octile
