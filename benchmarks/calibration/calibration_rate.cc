// How fast calibration is apart from running the network: histograms of the activations of one
// ResNet-50 image (both passes), and the search of all thresholds. The peer is numpy_histogram.py
// beside it. Prints best of several runs; docs/calibration.md quotes it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <random>
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

double best_seconds(int runs, const std::function<void()>& work) {
  double best = 1e9;
  for (int run = 0; run < runs; ++run) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

}  // namespace

int main() {
  std::vector<std::vector<float>> tensors;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> pool(1 << 20);
  for (float& v : pool) v = normal(random);
  size_t total = 0;
  for (const TensorSize& size : resnet50_tensors()) {
    std::vector<float> values(size.values);
    const size_t offset = random() % pool.size();
    for (size_t i = 0; i < values.size(); ++i) {
      const float v = pool[(offset + i) % pool.size()];
      values[i] = size.relu ? std::max(0.0f, v) : v;
    }
    total += values.size();
    tensors.push_back(std::move(values));
  }
  std::printf("%zu tensors, %zu values an image\n", tensors.size(), total);

  const auto count = static_cast<int64_t>(tensors.size());
  std::vector<Histogram> ranges(tensors.size());
  const auto add_ranges = [&] {
    for (size_t i = 0; i < tensors.size(); ++i) octile::add_to_range(ranges[i], tensors[i]);
  };
  add_ranges();
  std::vector<octile::BinCounter> counters(ranges.begin(), ranges.end());
  const auto add_counts = [&] {
    for (size_t i = 0; i < tensors.size(); ++i) counters[i].add(tensors[i]);
  };
  const auto report = [&](const char* what, double seconds) {
    std::printf("%-28s %8.1f ms an image  %6.2f ns a value\n", what, 1e3 * seconds,
                1e9 * seconds / static_cast<double>(total));
  };
  const double range_time = best_seconds(9, add_ranges), count_time = best_seconds(9, add_counts);
  report("range pass, 1 thread", range_time);
  report("counting pass, 1 thread", count_time);
  report("both, 1 thread", range_time + count_time);

  const int threads_used = octile::thread_count();  // each takes images of its own, as collect()
  const double parallel_time = best_seconds(9, [&] {
    octile::parallel_for(threads_used, 1, [&](int64_t begin, int64_t end, int) {
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
  std::printf("%d threads: ", threads_used);
  report("both, fresh bins", parallel_time / threads_used);

  std::vector<Histogram> histograms;
  for (auto& counter : counters) histograms.push_back(counter.finish());
  for (const int threads : {1, octile::thread_count()}) {
    const octile::ThreadCountScope scope(threads);
    for (const octile::CalibrationAlgorithm& row : octile::calibration_algorithms()) {
      std::vector<float> found(histograms.size());
      const double seconds = best_seconds(3, [&] {
        octile::parallel_for(count, 1, [&](int64_t begin, int64_t end, int) {
          for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
            found[i] = octile::threshold(histograms[i], row.method).threshold;
          }
        });
      });
      std::printf("search %-10.*s %d thread(s) %8.1f ms for %zu tensors\n",
                  static_cast<int>(row.name.size()), row.name.data(), threads, 1e3 * seconds,
                  histograms.size());
    }
  }
  return 0;
}
