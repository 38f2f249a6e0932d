// See model_flags.h.
#include "model_flags.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace octile::cli {
namespace {

/// Through a temporary file, so that an old cache survives a failure.
void write_text(const std::string& file, const std::string& text) {
  const std::string temporary = fmt::format("{}.tmp{}", file, getpid());
  std::ofstream out(temporary, std::ios::binary);
  out << text;
  out.close();
  if (!out || std::rename(temporary.c_str(), file.c_str()) != 0) {
    std::remove(temporary.c_str());
    throw Error(ErrorCode::kIo, fmt::format("{}: cannot write; is the directory there and "
                                            "writable?",
                                            file));
  }
}

void check_same(const std::string& file, const std::string& cached, const std::string& wanted,
                std::string_view what) {
  if (cached.empty() || wanted.empty() || cached == wanted) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{}: the cache was made for another {} ({}, here {}); name another file "
                          "with --cache, or delete this one to calibrate anew",
                          file, what, cached, wanted));
}

/// A calibrator that has nothing but a cache: calibrate() reads it and compares the names.
class CacheAlone : public Calibrator {
 public:
  explicit CacheAlone(std::string file) : file_(std::move(file)) {}
  int64_t batch_size() const override { return 1; }
  std::optional<Batch> next_batch() override { return std::nullopt; }
  std::optional<std::string> read_cache() override {
    std::ifstream file(file_, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string file_;
};

}  // namespace

void ModelFlags::add(CLI::App& command) {
  command.add_option("model", file, "The model, an .onnx file")->required();
  command.add_flag("--dynamic-batch", dynamic_batch,
                   "Make axis 0 of the inputs dynamic where the file fixed it at 1");
  constants.add(command);
}

Network ModelFlags::load(const Session& session) const {
  return load_model(session, file, dynamic_batch, constants);
}

void CalibrationFlags::add(CLI::App& command) {
  command.add_option("--calibrate", data,
                     "Samples: a directory (images or IDX files), .npy, .npz, an IDX file, or a "
                     "text file that lists images");
  command.add_option("--cache", cache, "Calibration cache to write, or to read where it exists");
  method_option_ = command.add_option("--method", method, "How a histogram becomes a range")
                       ->check(method_names())
                       ->capture_default_str();
  command.add_option("--percentile", percentile, "For --method percentile")
      ->check(CLI::Range(50.0, 100.0))
      ->capture_default_str();
  command.add_flag("--reproducible", reproducible,
                   "Plain fixed-order float arithmetic: the same cache on every machine");
  flags.add(command);
}

CalibrationOptions CalibrationFlags::options(const Session& session) const {
  CalibrationOptions options;
  options.method = calibration_method_from_name(method);
  options.percentile = percentile;
  options.reproducible = reproducible;
  options.threads = session.threads;
  options.progress = session.progress();
  options.log = session.log();
  return options;
}

std::unique_ptr<BatchSource> CalibrationFlags::open(const Network& network,
                                                    const Preprocess& preprocess) const {
  DataOptions options = flags.options();
  options.preprocess = preprocess;
  for (TensorId input : network.inputs()) {
    options.input_shapes[network.name(input)] = network.shape(input);
  }
  return open_data(data, options);
}

CalibrationTable CalibrationFlags::collect(const Session& session, const Network& network) const {
  const Preprocess preprocess = flags.options().preprocess;
  CalibrationOptions calibration = options(session);
  if (!preprocess.is_identity()) calibration.preprocess = preprocess.to_json();
  return calibrate(network, *open(network, preprocess), calibration);
}

void CalibrationFlags::write(const CalibrationTable& table, bool tensorrt,
                             const std::string& version) const {
  write_text(cache, tensorrt ? table.to_tensorrt(version) : table.to_json());
}

void CalibrationFlags::check_cache(const CalibrationTable& table, const Network& network) const {
  check_same(cache, table.model_digest, network.digest(), "model");
  if (method_option_->count() > 0) {
    check_same(cache, table.method, method, "method");
    if (method == "percentile") {
      check_same(cache, fmt::format("{}", table.percentile), fmt::format("{}", percentile),
                 "percentile");
    }
  }
  if (reproducible) check_same(cache, table.path, "reproducible", "float path");
  const auto named = [](const std::string& json) { return json.empty() ? "none" : json; };
  const Preprocess preprocess = flags.options(table.preprocess).preprocess;
  check_same(cache, named(table.preprocess),
             named(preprocess.is_identity() ? "" : preprocess.to_json()), "preprocessing");
  if (data.empty()) return;
  check_same(cache, table.data_digest, open(network, preprocess)->digest(), "set of samples");
}

CalibrationTable CalibrationFlags::from_cache(const Session& session,
                                              const Network& network) const {
  CalibrationTable table = CalibrationTable::load_any(cache);
  CacheAlone calibrator(cache);
  if (calibrator.read_cache()->starts_with("TRT-")) {  // names are all that can be compared
    table = calibrate(network, calibrator, options(session));
  } else {
    check_cache(table, network);
    for (const std::string& warning : table.warnings) session.log()(LogLevel::kWarning, warning);
  }
  session.log()(LogLevel::kInfo,
                fmt::format("{}: {} ranges read ({}){}", cache, table.entries.size(), table.method,
                            data.empty() ? "" : "; --calibrate is not run again"));
  return table;
}

std::optional<CalibrationTable> CalibrationFlags::obtain(const Session& session,
                                                         const Network& network) const {
  if (!cache.empty() && std::filesystem::exists(cache)) return from_cache(session, network);
  if (data.empty()) {
    if (!cache.empty()) {
      throw Error(ErrorCode::kIo, fmt::format("{}: no such cache, and no --calibrate to make it "
                                              "from",
                                              cache));
    }
    return std::nullopt;
  }
  CalibrationTable table = collect(session, network);
  if (!cache.empty()) write(table, false, "");
  return table;
}

}  // namespace octile::cli
