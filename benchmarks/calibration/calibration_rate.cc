// How fast calibration is apart from running the network: histograms of the activations of one
// ResNet-50 image (both passes), and the search of all thresholds. Prints "what<TAB>milliseconds"
// lines, medians of several runs, for compare.py beside it; docs/calibration.md quotes that.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/parallel_for.h"
#include "calibrate/algorithms.h"
#include "calibrate/histogram.h"

namespace {

using octile::Histogram;

/// Sizes of the 118 tensors of ResNet-50 after its input: every convolution, addition and ReLU.
struct TensorSize {
  size_t values;
  bool relu;
};
std::vector<TensorSize> resnet50_tensors() {
  std::vector<TensorSize> sizes;
  const auto add = [&](size_t channels, size_t extent, bool with_relu) {
    sizes.push_back({channels * extent * extent, false});
    if (with_relu) sizes.push_back({channels * extent * extent, true});
  };
  add(64, 112, true);
  size_t extent = 56, middle = 64;
  for (const int blocks : {3, 4, 6, 3}) {
    for (int block = 0; block < blocks; ++block) {
      const bool first = block == 0;
      add(middle, first && middle > 64 ? 2 * extent : extent, true);
      add(middle, extent, true);
      add(4 * middle, extent, false);
      if (first) add(4 * middle, extent, false);
      add(4 * middle, extent, true);  // the addition
    }
    extent /= 2;
    middle *= 2;
  }
  return sizes;
}

double median_ms(int runs, const std::function<void()>& work) {
  std::vector<double> ms;
  for (int run = 0; run < runs; ++run) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    ms.push_back(took.count());
  }
  std::sort(ms.begin(), ms.end());
  return ms[ms.size() / 2];
}

std::vector<std::vector<float>> make_tensors() {
  std::vector<std::vector<float>> tensors;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> pool(1 << 20);
  for (float& v : pool) v = normal(random);
  for (const TensorSize& size : resnet50_tensors()) {
    std::vector<float> values(size.values);
    const size_t offset = random() % pool.size();
    for (size_t i = 0; i < values.size(); ++i) {
      const float v = pool[(offset + i) % pool.size()];
      values[i] = size.relu ? std::max(0.0f, v) : v;
    }
    tensors.push_back(std::move(values));
  }
  return tensors;
}

void report(const std::string& what, double ms) { std::printf("%s\t%.4f\n", what.c_str(), ms); }

/// Returns the histograms.
std::vector<Histogram> time_passes(const std::vector<std::vector<float>>& tensors) {
  std::vector<Histogram> ranges(tensors.size());
  const auto add_ranges = [&] {
    for (size_t i = 0; i < tensors.size(); ++i) octile::add_to_range(ranges[i], tensors[i]);
  };
  add_ranges();
  std::vector<octile::BinCounter> counters(ranges.begin(), ranges.end());
  const auto add_counts = [&] {
    for (size_t i = 0; i < tensors.size(); ++i) counters[i].add(tensors[i]);
  };
  const double range_ms = median_ms(5, add_ranges), count_ms = median_ms(5, add_counts);
  report("range pass, 1 thread", range_ms);
  report("counting pass, 1 thread", count_ms);
  report("both passes, 1 thread", range_ms + count_ms);

  const int threads = octile::thread_count();  // each takes images of its own, as collect()
  const double parallel_ms = median_ms(5, [&] {
    octile::parallel_for(threads, 1, [&](int64_t begin, int64_t end, int) {
      for (; begin < end; ++begin) {
        for (const auto& values : tensors) {
          Histogram range;
          octile::add_to_range(range, values);
          octile::BinCounter counter(range);
          counter.add(values);
        }
      }
    });
  });
  report("both passes, " + std::to_string(threads) + " threads, an image", parallel_ms / threads);

  std::vector<Histogram> histograms;
  for (auto& counter : counters) histograms.push_back(counter.finish());
  return histograms;
}

void time_searches(const std::vector<Histogram>& histograms) {
  const auto count = static_cast<int64_t>(histograms.size());
  for (const int threads : {1, octile::thread_count()}) {
    const octile::ThreadCountScope scope(threads);
    for (const octile::CalibrationAlgorithm& row : octile::calibration_algorithms()) {
      std::vector<float> found(histograms.size());
      const double ms = median_ms(3, [&] {
        octile::parallel_for(count, 1, [&](int64_t begin, int64_t end, int) {
          for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
            found[i] = octile::threshold(histograms[i], row.method).threshold;
          }
        });
      });
      report("search, " + std::string(row.name) + ", " + std::to_string(threads) + " thread(s)",
             ms);
    }
  }
}

}  // namespace

int main() {
  time_searches(time_passes(make_tensors()));
  return 0;
}
