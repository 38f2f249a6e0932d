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

}  // namespace

void ModelFlags::add(CLI::App& command) {
  command.add_option("model", file, "The model, an .onnx file")
      ->required()
      ->check(CLI::ExistingFile);
  command.add_flag("--dynamic-batch", dynamic_batch,
                   "Make axis 0 of the inputs dynamic where the file fixed it at 1");
  constants.add(command);
}

Network ModelFlags::load(const Session& session) const {
  return load_model(session, file, dynamic_batch, constants);
}

void CalibrationFlags::add(CLI::App& command) {
  command
      .add_option("--calibrate", data,
                  "Samples: a directory (images or IDX files), .npy, .npz, an IDX file, or a "
                  "text file that lists images")
      ->check(CLI::ExistingPath);
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

CalibrationTable CalibrationFlags::from_cache(const Session& session,
                                              const Network& network) const {
  CalibrationTable table = CalibrationTable::load_any(cache);
  check_same(cache, table.model_digest, network.digest(), "model");
  const bool own = !table.model_digest.empty();  // TensorRT's caches say little
  if (own && method_option_->count() > 0) check_same(cache, table.method, method, "method");
  const std::string fallback = table.preprocess;
  const Preprocess preprocess = flags.options(fallback).preprocess;
  if (own) {
    const std::string wanted = preprocess.is_identity() ? "" : preprocess.to_json();
    check_same(cache, fallback.empty() ? "none" : fallback, wanted, "preprocessing");
    if (!data.empty()) {
      check_same(cache, table.data_digest, open(network, preprocess)->digest(), "set of samples");
    }
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
