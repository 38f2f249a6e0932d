// See report.h.
#include "report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "octile/data.h"
#include "octile/report.h"

namespace demo {
namespace {

namespace fs = std::filesystem;
using octile::ExecutionContext;
using octile::Shape;
using octile::Tensor;

constexpr const char* kEntropy = "entropy";
constexpr const char* kStatic = "static-symmetric";

/// Rows [begin, begin + count) of a tensor.
Tensor rows_of(const Tensor& all, int64_t begin, int64_t count) {
  Shape shape = all.shape();
  const size_t row = all.bytes() / size_t(shape[0]);
  shape[0] = count;
  const auto* bytes = static_cast<const std::byte*>(all.data()) + size_t(begin) * row;
  return Tensor(all.type(), shape, {bytes, size_t(count) * row});
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// One engine, one batch size: bound memory, one thread, timed run() calls.
class Stopwatch {
 public:
  Stopwatch(const octile::Engine& engine, const Tensor& batch)
      : context_(engine.create_context(batch.shape()[0] <= 8 ? 0 : 1)),
        batch_(batch),
        scores_(octile::DataType::kFloat32, Shape{batch.shape()[0], 10}) {
    context_.set_input_shape("inputT0", batch_.shape());
    context_.bind_input("inputT0", batch_.data());
    context_.bind_output("scores", scores_.data());
    context_.run();
  }
  /// Milliseconds a run, over enough runs to be measurable.
  double sample(int runs) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < runs; ++i) context_.run();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    return took.count() / runs;
  }

 private:
  ExecutionContext context_;
  Tensor batch_, scores_;
};

}  // namespace

Arguments parse_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    std::string* target = flag == "--data"      ? &arguments.data
                          : flag == "--weights" ? &arguments.weights
                          : flag == "--out"     ? &arguments.out
                                                : nullptr;
    const bool threads = flag == "--threads";
    if ((target == nullptr && !threads) || i + 1 >= argc) {
      fmt::print(stderr,
                 "usage: {} [--data DIR] [--weights FILE] [--out DIR] [--threads N]\n"
                 "DIR holds IDX files: train*-images-idx3-ubyte[.gz], t10k-images-… and labels\n",
                 argv[0]);
      std::exit(2);
    }
    if (threads) {
      arguments.threads = std::max(0, std::atoi(argv[i + 1]));
    } else {
      *target = argv[i + 1];
    }
  }
  return arguments;
}

std::string find_idx(const std::string& directory, const std::string& set) {
  std::string found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(set, 0) == 0 && name.find("images-idx3-ubyte") != std::string::npos) {
      found = std::max(found, entry.path().string());
    }
  }
  if (found.empty()) {
    throw octile::Error(octile::ErrorCode::kIo,
                        fmt::format("{}: no file {}*-images-idx3-ubyte[.gz]; `make demo` installs "
                                    "the data, or name a directory by --data",
                                    directory, set));
  }
  return found;
}

void print_message(octile::LogLevel level, std::string_view message) {
  if (level >= octile::LogLevel::kInfo) fmt::print(stderr, "{}\n", message);
}

Report::Report(const Arguments& arguments) : arguments_(arguments) {
  const auto source = octile::open_data(
      find_idx(arguments.data, "t10k"),
      {.batch = 1 << 20, .input_shapes = {{"inputT0", Shape{octile::kDynamic, 1, 28, 28}}}});
  images_ = std::move(source->next()->begin()->second);
  labels_ = source->labels();
  if (labels_.empty()) {
    throw octile::Error(octile::ErrorCode::kIo, arguments.data + ": no labels beside the pictures");
  }
}

double Report::accuracy(const octile::Engine& engine) const {
  constexpr int64_t kBatch = 128;
  ExecutionContext context = engine.create_context(1);
  const int64_t count = images_.shape()[0];
  Tensor scores(octile::DataType::kFloat32, Shape{count, 10});
  for (int64_t i = 0; i < count; i += kBatch) {
    const int64_t n = std::min(kBatch, count - i);
    const Tensor batch = rows_of(images_, i, n);
    context.set_input_shape("inputT0", batch.shape());
    context.bind_input("inputT0", batch.data());
    context.bind_output("scores", scores.as<float>() + i * 10);
    context.run();
  }
  return octile::top_k_accuracy(scores, labels_, 1);
}

void Report::add(const std::string& scheme, const std::string& method, octile::Engine engine) {
  const std::string name = scheme + (method.empty() ? "" : ", " + method);
  const double top1 = accuracy(engine);
  fmt::print(stderr, "{}: top-1 {:.2f} %\n", name, 100 * top1);
  const size_t bytes = engine.plan().serialize().size();
  rows_.push_back({scheme, method, std::move(engine), top1, bytes, {}});
}

/// One row a scheme is timed (methods differ in numbers, not in steps).
void Report::measure_latency() {
  constexpr int kRounds = 15;
  for (const int64_t batch : kBatches) {
    const Tensor pictures = rows_of(images_, 0, batch);
    std::vector<std::pair<Row*, Stopwatch>> watches;
    std::vector<octile::Engine> single;  // one thread each
    single.reserve(rows_.size());
    for (Row& row : rows_) {
      if (!row.method.empty() && row.method != kEntropy) continue;
      single.push_back(octile::Engine::load(row.engine.plan(), {.threads = 1}));
      watches.emplace_back(&row, Stopwatch(single.back(), pictures));
    }
    const int runs = int(std::max<int64_t>(1, 200 / batch));
    std::vector<std::vector<double>> samples(watches.size());
    for (int round = 0; round < kRounds; ++round) {
      for (size_t i = 0; i < watches.size(); ++i) {
        samples[i].push_back(watches[i].second.sample(runs));
      }
    }
    for (size_t i = 0; i < watches.size(); ++i) {
      watches[i].first->latency_ms.push_back(median(samples[i]));
    }
  }
}

const Report::Row& Report::row(const std::string& scheme, const std::string& method) const {
  return *std::find_if(rows_.begin(), rows_.end(),
                       [&](const Row& r) { return r.scheme == scheme && r.method == method; });
}

void Report::print() const {
  const Row& base = rows_.front();
  const Row& chosen = row(kStatic, kEntropy);
  fmt::print("\nlayers of {} ({}), profile 1/128/128:\n", kStatic, kEntropy);
  const auto layers = chosen.engine.plan().layers();
  const auto tactics = chosen.engine.tactics(1);
  fmt::print("{:<34} {:<10} {:<16} {:<30} {:>10}\n", "layer", "step", "precision", "tactic",
             "scale");
  for (size_t i = 0; i < layers.size(); ++i) {
    fmt::print("{:<34} {:<10} {:<16} {:<30} {:>10}\n", layers[i].name, layers[i].step,
               layers[i].precision, tactics[i],
               layers[i].scale > 0 ? fmt::format("{:.5g}", layers[i].scale) : "");
  }
  fmt::print(
      "\n{} pictures; latencies in ms with one thread on {} ({}), medians; × is float / "
      "this\n",
      labels_.size(), octile::devices()[0].name, base.engine.isa());
  fmt::print("{:<18} {:<11} {:>8} {:>11} {:>6} {:>18} {:>18} {:>18}\n", "scheme", "method",
             "top-1 %", "plan bytes", "ratio", "batch 1", "batch 8", "batch 128");
  for (const Row& r : rows_) {
    fmt::print("{:<18} {:<11} {:>8.2f} {:>11} {:>6.3f}", r.scheme, r.method, 100 * r.top1,
               r.plan_bytes, double(r.plan_bytes) / double(base.plan_bytes));
    for (size_t b = 0; b < r.latency_ms.size(); ++b) {
      fmt::print(" {:>10.4f} {:>5.2f} ×", r.latency_ms[b], base.latency_ms[b] / r.latency_ms[b]);
    }
    fmt::print("\n");
  }
  fmt::print(
      "\nwhere INT8 pays, layer by layer: {0}/report.html\nresult: {0}/result.json; plans and "
      "caches: {0}/\n",
      arguments_.out);
}

void Report::save() const {
  const Row& base = rows_.front();
  const Row& chosen = row(kStatic, kEntropy);
  nlohmann::json rows = nlohmann::json::array();
  for (const Row& r : rows_) {
    nlohmann::json latencies = nlohmann::json::object();
    for (size_t b = 0; b < r.latency_ms.size(); ++b) {
      latencies[std::to_string(kBatches[b])] = r.latency_ms[b];
    }
    rows.push_back({{"scheme", r.scheme},
                    {"method", r.method},
                    {"top1", r.top1},
                    {"plan_bytes", r.plan_bytes},
                    {"latency_ms_1t", latencies}});
  }
  const nlohmann::json json = {
      {"float_top1", base.top1},
      {"int8_top1", chosen.top1},
      {"speedup_b128_1t", base.latency_ms.back() / chosen.latency_ms.back()},
      {"plan_ratio", double(chosen.plan_bytes) / double(base.plan_bytes)},
      {"isa", chosen.engine.isa()},
      {"device", octile::devices()[0].name},
      {"samples", labels_.size()},
      {"rows", rows}};
  const std::string file = arguments_.out + "/result.json";
  const std::string temporary = fmt::format("{}.tmp{}", file, getpid());
  std::ofstream(temporary) << json.dump(2) << "\n";
  fs::rename(temporary, file);
}

}  // namespace demo
