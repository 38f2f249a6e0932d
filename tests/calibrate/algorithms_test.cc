// Methods against slow oracles that follow the definitions, and what degenerate tensors get.
#include "calibrate/algorithms.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <filesystem>
#include <random>

#include "calibrate/histogram.h"
#include "calibrate/portable_log.h"

namespace octile {
namespace {

constexpr int kBins = Histogram::kBins;

Histogram histogram_of(const std::vector<float>& values) {
  Histogram range;
  add_to_range(range, values);
  BinCounter counter(range);
  counter.add(values);
  return counter.finish();
}

std::vector<float> values_of(int kind, size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::student_t_distribution<float> heavy(2.5f);
  std::uniform_real_distribution<float> uniform(-1.0f, 3.0f);
  std::vector<float> values(count);
  for (float& v : values) {
    switch (kind % 6) {
      case 0: v = normal(random); break;
      case 1: v = std::max(0.0f, normal(random)); break;  // ReLU
      case 2: v = heavy(random); break;                   // heavy tails
      case 3: v = uniform(random); break;
      case 4: v = std::min(6.0f, std::max(0.0f, 3 * normal(random))); break;  // ReLU6
      default: v = std::round(normal(random) * 40) / 128; break;              // few distinct values
    }
  }
  return values;
}

// KL(P‖Q) as the algorithm is told: build P, Q, merge, spread, normalize, sum. O(candidate).
double plain_divergence(const std::vector<uint64_t>& bins, size_t candidate,
                        double most_outliers = 0.05) {
  std::vector<double> p(candidate), q(candidate);
  double all = 0, kept = 0;
  for (size_t b = 0; b < bins.size(); ++b) all += static_cast<double>(bins[b]);
  for (size_t b = 0; b < candidate; ++b) {
    p[b] = static_cast<double>(bins[b]);
    kept += p[b];
  }
  std::vector<double> level_count(128), level_bins(128);
  for (size_t b = 0; b < candidate; ++b) {
    level_count[b * 128 / candidate] += p[b];
    level_bins[b * 128 / candidate] += p[b] > 0 ? 1 : 0;
  }
  for (size_t b = 0; b < candidate; ++b) {
    if (p[b] > 0) q[b] = level_count[b * 128 / candidate] / level_bins[b * 128 / candidate];
  }
  if (all - kept > most_outliers * all) return INFINITY;
  p[candidate - 1] += all - kept;
  double sum = 0;
  for (size_t b = 0; b < candidate; ++b) {
    if (p[b] == 0) continue;
    if (q[b] == 0) return INFINITY;
    sum += p[b] / all * std::log((p[b] / all) / (q[b] / kept));
  }
  return kept > 0 ? sum : INFINITY;
}

TEST(Entropy, PrefixSumsGiveThePlainDivergenceAndItsMinimum) {
  for (uint32_t trial = 0; trial < 30; ++trial) {
    const auto values = values_of(static_cast<int>(trial), 300 + 4000 * (trial % 7), trial);
    const std::vector<uint64_t> bins = magnitudes(histogram_of(values));
    const EntropySearch search(bins);
    int best = -1;
    double least = INFINITY;
    for (int i = 128; i <= kBins; ++i) {
      const double plain = plain_divergence(bins, static_cast<size_t>(i));
      const double fast = search.divergence(i);
      if (std::isinf(plain))
        ASSERT_TRUE(std::isinf(fast)) << trial << ' ' << i;
      else
        ASSERT_NEAR(fast, plain, 1e-11) << trial << ' ' << i;
      if (plain < least) least = plain, best = i;
    }
    EXPECT_EQ(search.best(), best) << "trial " << trial;
  }
}

TEST(Entropy, GivesTensorRtsScaleForMnist) {
  std::vector<unsigned char> images(550 * 784);
  std::string tried;
  bool found = false;
  for (const std::string dir :
       {OCTILE_SOURCE_DIR "/examples/mnist/digits", OCTILE_SOURCE_DIR "/../shared/data/mnist"}) {
    if (!std::filesystem::is_directory(dir)) continue;
    for (const auto& file : std::filesystem::directory_iterator(dir)) {
      const std::string name = file.path().filename();
      if (name.starts_with("t10k") || name.find("images-idx3") == std::string::npos) continue;
      gzFile in = gzopen(file.path().c_str(), "rb");
      ASSERT_NE(in, nullptr);
      unsigned char header[16];
      ASSERT_EQ(gzread(in, header, 16), 16);
      const int64_t count = header[4] << 24 | header[5] << 16 | header[6] << 8 | header[7];
      // A file of just these 500 images begins with number 50 of the training set.
      if (count != 500) gzseek(in, 16 + 50 * 784, SEEK_SET);
      ASSERT_EQ(gzread(in, images.data(), 500 * 784), 500 * 784);
      gzclose(in);
      found = true;
      break;
    }
    if (found) break;
  }
  if (!found) GTEST_SKIP() << "no MNIST images in examples/mnist/digits";
  std::vector<float> values(500 * 784);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(images[i]) / 255.0f;
  const Histogram h = histogram_of(values);
  EXPECT_EQ(EntropySearch(magnitudes(h)).best(), 2040);
  const float scale = threshold(h, CalibrationMethod::kEntropy).threshold / 127.0f;
  EXPECT_EQ(std::bit_cast<uint32_t>(scale), 0x3c008912u);
}

TEST(Entropy, KeepsTheWholeRangeOfOneWithTheScaleThatTensorRtPrints) {
  // "prob: 3c010a14": every candidate below 2048 would clip all the mass there is.
  const Histogram h = histogram_of({0.0f, 0.0f, 1.0f, 1.0f, 1.0f});
  const float scale = threshold(h, CalibrationMethod::kEntropy).threshold / 127.0f;
  EXPECT_EQ(std::bit_cast<uint32_t>(scale), 0x3c010a14u);
}

TEST(Entropy, ZerosAfterReluDoNotPullTheThresholdDown) {
  std::vector<float> values = values_of(0, 200'000, 3);
  for (float& v : values) v = std::fabs(v);
  const float without = threshold(histogram_of(values), CalibrationMethod::kEntropy).threshold;
  values.resize(values.size() * 5, 0.0f);
  const float with = threshold(histogram_of(values), CalibrationMethod::kEntropy).threshold;
  EXPECT_EQ(with, without);
  EXPECT_GT(with, 3.0f);
}

double clipped_share(const std::vector<float>& values, float threshold) {
  const auto count = std::count_if(values.begin(), values.end(),
                                   [&](float v) { return std::fabs(v) > threshold; });
  return static_cast<double>(count) / static_cast<double>(values.size());
}

// Where |x| stays away from 0, keeping the first occupied bins alone makes P and Q one spike, whose
// divergence is 0: unguarded, that wins and clips nearly everything.
TEST(Entropy, KeepsTensorsThatStayAwayFromZero) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0.5f, 0.1f);
  std::uniform_int_distribution<int> pixel(100, 199);
  std::gamma_distribution<float> pooled(9.0f, 0.05f);
  std::vector<std::vector<float>> tensors(4, std::vector<float>(50'000));
  for (float& v : tensors[0]) v = static_cast<float>(pixel(random));
  for (float& v : tensors[1]) v = normal(random);
  for (float& v : tensors[2]) v = -1.0f - normal(random);
  for (float& v : tensors[3]) v = 0.05f + pooled(random);
  for (const auto& values : tensors) {
    const float t = threshold(histogram_of(values), CalibrationMethod::kEntropy).threshold;
    EXPECT_LE(clipped_share(values, t), 0.05) << values[0];
  }
}

TEST(Entropy, TheGuardDoesNotShowInOrdinaryTensors) {
  for (int kind : {0, 1, 2, 4}) {  // normal, ReLU, heavy tails, ReLU6
    const std::vector<uint64_t> bins = magnitudes(histogram_of(values_of(kind, 200'000, 21)));
    int best = -1;
    double least = INFINITY;
    for (int i = 128; i <= kBins; ++i) {
      const double unguarded = plain_divergence(bins, static_cast<size_t>(i), 1.0);
      if (unguarded < least) least = unguarded, best = i;
    }
    EXPECT_EQ(EntropySearch(bins).best(), best) << kind;
  }
}

TEST(PortableLog, IsTheLogarithm) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const auto x = static_cast<double>(1 + (random() >> (random() % 64)));
    EXPECT_NEAR(portable_log(x), std::log(x), 4e-16 * std::max(1.0, std::log(x))) << x;
  }
  EXPECT_EQ(portable_log(1.0), 0.0);
}

// Σ over bins and levels of the exact integral, level by level, with nothing shared.
double plain_error(const std::vector<uint64_t>& bins, double step, int levels) {
  double error = 0;
  for (size_t b = 0; b < bins.size(); ++b) {
    if (bins[b] == 0) continue;
    double x = static_cast<double>(b);
    const double end = x + 1;
    while (x < end) {
      const auto level = std::min(levels, static_cast<int>(std::floor(x / step + 0.5 + 1e-12)));
      const double stop = level == levels ? end : std::min(end, (level + 0.5) * step);
      const double u = x - level * step, v = std::max(x + 1e-12, stop) - level * step;
      error += static_cast<double>(bins[b]) * (v * v * v - u * u * u) / 3;
      x = std::max(x + 1e-12, stop);
    }
  }
  return error;
}

TEST(LeastSquares, PrefixMomentsGiveTheIntegral) {
  for (uint32_t trial = 0; trial < 12; ++trial) {
    const Histogram h = histogram_of(values_of(static_cast<int>(trial), 5000, trial));
    const std::vector<uint64_t> bins = magnitudes(h);
    const RoundingError error(bins);
    for (double step : {1.0, 2.37, 7.9, 16.1, 500.0}) {
      for (int levels : {0, 1, 127, 128, 255}) {
        const double plain = plain_error(bins, step, levels);
        EXPECT_NEAR(error.at(step, levels), plain, 1e-6 * plain + 1e-6)
            << trial << ' ' << step << ' ' << levels;
      }
    }
  }
}

TEST(LeastSquares, FindsTheLeastErrorOfAllSymmetricCandidates) {
  for (uint32_t trial = 0; trial < 6; ++trial) {
    const Histogram h = histogram_of(values_of(static_cast<int>(trial), 3000, 50 + trial));
    std::vector<uint64_t> positive = h.positive;
    positive[0] -= h.zeros;
    double least = INFINITY;
    const auto error = [&](double candidate) {
      return plain_error(positive, candidate / 127, 127) +
             plain_error(h.negative, candidate / 127, 128);
    };
    for (int i = 128; i <= kBins; ++i) least = std::min(least, error(i));
    const float t = threshold(h, CalibrationMethod::kMse).threshold;
    EXPECT_LE(error(t / h.bin_width()), least * (1 + 1e-5)) << trial;
  }
}

double real_error(const std::vector<float>& values, Range range) {
  const double step = (static_cast<double>(range.max) - range.min) / 255;
  const double zero = std::nearbyint(-range.min / step);
  double error = 0;
  for (float v : values) {
    const double q = std::clamp(std::nearbyint(v / step) + zero, 0.0, 255.0);
    error += std::pow((q - zero) * step - v, 2);
  }
  return error;
}

TEST(LeastSquares, AffineRangeBeatsMinMaxAndEntropyOnTheRealValues) {
  for (int kind : {0, 1, 2}) {
    const std::vector<float> values = values_of(kind, 100'000, 77);
    const Histogram h = histogram_of(values);
    Range best = threshold(h, CalibrationMethod::kMse).range;
    best = {std::min(0.0f, best.min), std::max(0.0f, best.max)};
    const double least = real_error(values, best);
    for (CalibrationMethod other : {CalibrationMethod::kMinMax, CalibrationMethod::kEntropy}) {
      Range range = threshold(h, other).range;
      range = {std::min(0.0f, range.min), std::max(0.0f, range.max)};
      EXPECT_LE(least, 1.001 * real_error(values, range)) << kind << ' ' << name_of(other);
    }
  }
}

TEST(MinMax, IsTheRange) {
  const auto entry = threshold(histogram_of({-1.5f, 0.25f, 4.0f}), CalibrationMethod::kMinMax);
  EXPECT_EQ(entry.range, (Range{-1.5f, 4.0f}));
  EXPECT_EQ(entry.threshold, 4.0f);
}

TEST(Percentile, CutsWhereSortedValuesSay) {
  for (int kind : {0, 1, 2, 3}) {
    const std::vector<float> values = values_of(kind, 50'000, 11);
    const Histogram h = histogram_of(values);
    std::vector<float> sorted = values, magnitude = values;
    for (float& v : magnitude) v = std::fabs(v);
    std::sort(sorted.begin(), sorted.end());
    std::sort(magnitude.begin(), magnitude.end());
    for (double percentile : {90.0, 99.0, 99.9}) {
      const auto rank = [&](double share) {
        return std::min(values.size() - 1, static_cast<size_t>(share * 50'000));
      };
      const double tail = (1 - percentile / 100) / 2;
      const auto entry = threshold(h, CalibrationMethod::kPercentile, percentile);
      const float bin = 1.01f * h.bin_width();
      EXPECT_NEAR(entry.threshold, magnitude[rank(percentile / 100)], bin);
      EXPECT_NEAR(entry.range.min, sorted[rank(tail)], bin);
      EXPECT_NEAR(entry.range.max, sorted[rank(1 - tail)], bin);
    }
    const auto all = threshold(h, CalibrationMethod::kPercentile, 100.0);
    EXPECT_EQ(all.threshold, h.abs_max());
    EXPECT_EQ(all.range, (Range{h.min, h.max}));
  }
}

TEST(Percentile, KeepsABinWhenAlmostAllIsZero) {
  std::vector<float> values(100'000, 0.0f);
  values[5] = 8.0f;
  const auto entry = threshold(histogram_of(values), CalibrationMethod::kPercentile, 99.0);
  EXPECT_EQ(entry.threshold, 8.0f / 2048);
  EXPECT_EQ(entry.range, (Range{0.0f, 8.0f / 2048}));
}

TEST(Percentile, OutOfBoundsIsRefused) {
  const Histogram h = histogram_of({1.0f, 2.0f});
  EXPECT_THROW(threshold(h, CalibrationMethod::kPercentile, 0.0), Error);
  EXPECT_THROW(threshold(h, CalibrationMethod::kPercentile, 100.5), Error);
  EXPECT_THROW(threshold(h, CalibrationMethod::kPercentile, NAN), Error);
}

TEST(Degenerate, EveryMethodIsDefinedForEveryTensor) {
  const std::vector<std::vector<float>> tensors = {{},
                                                   {0.0f, -0.0f},
                                                   {3.5f, 3.5f},
                                                   {-2.0f},
                                                   {NAN, NAN},
                                                   {INFINITY, -INFINITY, NAN},
                                                   {1.0f, NAN},
                                                   {-FLT_MAX, FLT_MAX},
                                                   {FLT_MIN / 4096, 0.0f},
                                                   {-1.0f, 1.0f},
                                                   {5.0f, 10.0f},
                                                   {-10.0f, -5.0f, -9.0f},
                                                   {0.0f, 1e-45f}};
  for (const auto& values : tensors) {
    const Histogram h = histogram_of(values);
    for (const CalibrationAlgorithm& row : calibration_algorithms()) {
      const auto entry = threshold(h, row.method);
      EXPECT_TRUE(std::isfinite(entry.threshold) && std::isfinite(entry.range.min) &&
                  std::isfinite(entry.range.max))
          << row.name;
      EXPECT_LE(entry.range.min, entry.range.max) << row.name;
      EXPECT_EQ(entry.threshold > 0.0f, h.abs_max() > 0.0f) << row.name << ' ' << h.abs_max();
      if (h.min == h.max) {
        EXPECT_EQ(entry.threshold, h.abs_max()) << row.name;
        EXPECT_EQ(entry.range, (Range{h.min, h.max})) << row.name;
      }
    }
  }
}

TEST(Degenerate, AnUncountedHistogramIsRefused) {
  Histogram range;
  add_to_range(range, std::vector<float>{1.0f, 2.0f});
  EXPECT_THROW(threshold(range, CalibrationMethod::kEntropy), Error);
}

TEST(Methods, NamesGoBothWays) {
  for (const CalibrationAlgorithm& row : calibration_algorithms()) {
    EXPECT_EQ(calibration_method_from_name(name_of(row.method)), row.method);
  }
  try {
    calibration_method_from_name("kl");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("entropy, minmax, percentile, mse"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace octile
