// The committed digits, and a small network whose weights are computed from them: fixed edge
// filters, then the nearest class centre. Its plain evaluation here shares nothing with Octile, so
// that predictions, accuracies and ranges that the program prints can be held against it.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "formats/onnx_models.h"

namespace octile::test {

struct Digits {
  static constexpr int kCount = 500, kSide = 28, kPixels = kSide * kSide;
  std::string pixels, labels;  // bytes

  static std::string directory() { return OCTILE_SOURCE_DIR "/examples/mnist/digits"; }
  static std::string behind_header(const std::string& name, size_t header, size_t bytes) {
    std::string all(header + bytes, '\0');
    gzFile file = gzopen((directory() + "/" + name).c_str(), "rb");
    EXPECT_NE(file, nullptr) << name;
    EXPECT_EQ(gzread(file, all.data(), unsigned(all.size())), int(all.size())) << name;
    gzclose(file);
    return all.substr(header);
  }
  static const Digits& get() {
    static const Digits digits{behind_header("images-idx3-ubyte.gz", 16, kCount * kPixels),
                               behind_header("labels-idx1-ubyte.gz", 8, kCount)};
    return digits;
  }
  int label(int i) const { return labels[size_t(i)]; }
  /// Divided by `divisor`.
  std::vector<double> image(int i, double divisor) const {
    std::vector<double> values(kPixels);
    for (int p = 0; p < kPixels; ++p) {
      values[size_t(p)] = uint8_t(pixels[size_t(i * kPixels + p)]) / divisor;
    }
    return values;
  }
};

/// image → conv1 + bias1 (edges) → relu1 → pool1 (max) → conv2 (depthwise) + pool1 → relu2 → pool2
/// (average) → flatten → fc → scores.
class DigitNetwork {
 public:
  static constexpr int kChannels = 8, kFeatures = kChannels * 7 * 7, kClasses = 10;

  /// What the test knows about the network on all digits.
  struct Facts {
    std::vector<std::array<double, kClasses>> scores;
    double conv1_min = 0, conv1_max = 0;
  };

  DigitNetwork() {
    for (int c = 0; c < kChannels; ++c) {
      const double angle = c * M_PI / 4;
      for (int tap = 0; tap < 9; ++tap) {
        conv1_.push_back(float(std::cos(angle) * (tap % 3 - 1) + std::sin(angle) * (tap / 3 - 1)));
        conv2_.push_back(float((2 - std::abs(tap % 3 - 1)) * (2 - std::abs(tap / 3 - 1))) / 16);
      }
      bias1_.push_back(-0.1f);
    }
    std::vector<std::vector<double>> features;
    for (int i = 0; i < Digits::kCount; ++i) {
      features.push_back(features_of(Digits::get().image(i, 255.0), facts_));
    }
    place_centres(features);
    for (const auto& f : features) {
      std::array<double, kClasses> row{};
      for (size_t c = 0; c < kClasses; ++c) {
        row[c] = bias_[c];
        for (size_t k = 0; k < kFeatures; ++k) row[c] += double(fc_[c * kFeatures + k]) * f[k];
      }
      facts_.scores.push_back(row);
    }
  }
  const Facts& facts() const { return facts_; }
  int prediction(int i) const {
    const auto& row = facts_.scores[size_t(i)];
    return int(std::max_element(row.begin(), row.end()) - row.begin());
  }
  /// Of the first `count` digits from `first`, how many have their label among the best k.
  int hits(int k, int first = 0, int count = Digits::kCount) const {
    int hits = 0;
    for (int i = first; i < first + count; ++i) {
      const auto& row = facts_.scores[size_t(i)];
      const double own = row[size_t(Digits::get().label(i))];
      hits += std::count_if(row.begin(), row.end(), [&](double s) { return s > own; }) < k;
    }
    return hits;
  }
  /// `gain` multiplies the last layer's weights: another model of the same shape.
  std::string onnx(float gain = 1.0f) const {
    Model model;
    model.input("image", {-1, 1, 28, 28}).output("scores");
    model.floats("conv1.weight", {kChannels, 1, 3, 3}, conv1_)
        .floats("bias1", {kChannels, 1, 1}, bias1_);
    model.floats("conv2.weight", {kChannels, 1, 3, 3}, conv2_);
    std::vector<float> fc = fc_;
    for (float& w : fc) w *= gain;
    model.floats("fc.weight", {kClasses, kFeatures}, fc).floats("fc.bias", {kClasses}, bias_);
    const std::vector<int64_t> pads{1, 1, 1, 1}, two{2, 2};
    model.node("Conv", {"image", "conv1.weight"}, {"raw"}).named("conv1").ints("pads", pads);
    model.node("Add", {"raw", "bias1"}, {"edges"}).named("bias1");
    model.node("Relu", {"edges"}, {"relu1"}).named("relu1");
    model.node("MaxPool", {"relu1"}, {"pool1"})
        .named("pool1")
        .ints("kernel_shape", two)
        .ints("strides", two);
    model.node("Conv", {"pool1", "conv2.weight"}, {"smooth"})
        .named("conv2")
        .set("group", kChannels)
        .ints("pads", pads);
    model.node("Add", {"smooth", "pool1"}, {"sum"}).named("add");
    model.node("Relu", {"sum"}, {"relu2"}).named("relu2");
    model.node("AveragePool", {"relu2"}, {"pool2"})
        .named("pool2")
        .ints("kernel_shape", two)
        .ints("strides", two);
    model.node("Flatten", {"pool2"}, {"flat"}).named("flatten");
    model.node("Gemm", {"flat", "fc.weight", "fc.bias"}, {"scores"}).named("fc").set("transB", 1);
    return model.bytes();
  }

 private:
  /// 3 × 3, one pixel of zeros around.
  static double window(const double* plane, int side, int y, int x, const float* taps) {
    double sum = 0;
    for (int tap = 0; tap < 9; ++tap) {
      const int v = y + tap / 3 - 1, u = x + tap % 3 - 1;
      if (v >= 0 && u >= 0 && v < side && u < side) sum += plane[v * side + u] * double(taps[tap]);
    }
    return sum;
  }
  std::vector<double> features_of(const std::vector<double>& image, Facts& facts) const {
    std::vector<double> features;
    for (size_t c = 0; c < kChannels; ++c) {
      std::vector<double> pooled(14 * 14, 0.0);  // relu: nothing is below 0
      for (int y = 0; y < 28; ++y) {
        for (int x = 0; x < 28; ++x) {
          const double edge = window(image.data(), 28, y, x, &conv1_[c * 9]) + double(bias1_[c]);
          facts.conv1_min = std::min(facts.conv1_min, edge);
          facts.conv1_max = std::max(facts.conv1_max, edge);
          double& best = pooled[size_t(y / 2 * 14 + x / 2)];
          best = std::max(best, edge);
        }
      }
      std::vector<double> averages(7 * 7, 0.0);
      for (int y = 0; y < 14; ++y) {
        for (int x = 0; x < 14; ++x) {
          averages[size_t(y / 2 * 7 + x / 2)] +=
              (window(pooled.data(), 14, y, x, &conv2_[c * 9]) + pooled[size_t(y * 14 + x)]) / 4;
        }
      }
      features.insert(features.end(), averages.begin(), averages.end());
    }
    return features;
  }
  /// score of class c = x·centre − |centre|² / 2: the nearest centre has the greatest.
  void place_centres(const std::vector<std::vector<double>>& features) {
    for (int c = 0; c < kClasses; ++c) {
      std::vector<double> centre(kFeatures, 0.0);
      const double count =
          double(std::count(Digits::get().labels.begin(), Digits::get().labels.end(), char(c)));
      for (int i = 0; i < Digits::kCount; ++i) {
        if (Digits::get().label(i) != c) continue;
        for (size_t k = 0; k < kFeatures; ++k) centre[k] += features[size_t(i)][k] / count;
      }
      double square = 0;
      for (const double v : centre) square += v * v;
      fc_.insert(fc_.end(), centre.begin(), centre.end());
      bias_.push_back(float(-square / 2));
    }
  }

  std::vector<float> conv1_, bias1_, conv2_, fc_, bias_;
  Facts facts_;
};

}  // namespace octile::test
