// What the demo measures and prints: accuracy, sizes, latencies, the layer table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "octile/engine.h"

namespace demo {

struct Arguments {
  std::string data = "/usr/share/datasets/fashion-mnist";
  std::string weights = "examples/mnist/para.npz";
  std::string out = "build/demo";
  int threads = 0;
};
/// --data DIR --weights FILE --out DIR --threads N; exits with 2 and a usage line on anything else.
Arguments parse_arguments(int argc, char** argv);

/// The image file of the training ("train") or test ("t10k") set in a directory.
std::string find_idx(const std::string& directory, const std::string& set);

void print_message(octile::LogLevel level, std::string_view message);

class Report {
 public:
  explicit Report(const Arguments& arguments);
  /// Runs the engine on all test pictures and keeps it for measure_latency().
  void add(const std::string& scheme, const std::string& method, octile::Engine engine);
  /// Latencies at batch 1, 8 and 128 with one thread, engines interleaved, medians.
  void measure_latency();
  void print() const;
  /// OUT/result.json, through a temporary file.
  void save() const;

 private:
  struct Row {
    std::string scheme, method;
    octile::Engine engine;
    double top1 = 0.0;
    size_t plan_bytes = 0;
    std::vector<double> latency_ms;  // by kBatches
  };
  static constexpr int64_t kBatches[] = {1, 8, 128};
  double accuracy(const octile::Engine& engine) const;
  const Row& row(const std::string& scheme, const std::string& method) const;

  Arguments arguments_;
  octile::Tensor images_;
  std::vector<int64_t> labels_;
  std::vector<Row> rows_;
};

}  // namespace demo
