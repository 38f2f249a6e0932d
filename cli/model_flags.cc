// See model_flags.h.
#include "model_flags.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

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

void check_digest(const CalibrationTable& table, const Network& network, const std::string& file) {
  if (table.model_digest.empty() || table.model_digest == network.digest()) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{}: the cache was made for another model (digest {}, this model has "
                          "{}); delete it to calibrate anew",
                          file, table.model_digest, network.digest()));
}

}  // namespace

void ModelFlags::add(CLI::App& command) {
  command.add_option("model", file, "The model, an .onnx file")
      ->required()
      ->check(CLI::ExistingFile);
  command.add_flag("--dynamic-batch", dynamic_batch,
                   "Make axis 0 of the inputs dynamic where the file fixed it at 1");
}

Network ModelFlags::load(const Session& session) const {
  return load_model(session, file, dynamic_batch);
}

void CalibrationFlags::add(CLI::App& command) {
  command
      .add_option("--calibrate", data,
                  "Samples: a directory (images or IDX files), .npy, .npz, an IDX file, or a "
                  "text file that lists images")
      ->check(CLI::ExistingPath);
  command.add_option("--cache", cache, "Calibration cache to write, or to read where it exists");
  command.add_option("--method", method, "How a histogram becomes a range")
      ->check(method_names())
      ->capture_default_str();
  command.add_option("--percentile", percentile, "For --method percentile")
      ->check(CLI::Range(50.0, 100.0))
      ->capture_default_str();
  command.add_flag("--reproducible", reproducible,
                   "Plain fixed-order float arithmetic: the same cache on every machine");
  flags.add(command);
}

CalibrationTable CalibrationFlags::collect(const Session& session, const Network& network) const {
  DataOptions data_options = flags.options();
  for (TensorId input : network.inputs()) {
    data_options.input_shapes[network.name(input)] = network.shape(input);
  }
  const auto source = open_data(data, data_options);
  CalibrationOptions options;
  options.method = calibration_method_from_name(method);
  options.percentile = percentile;
  options.reproducible = reproducible;
  options.threads = session.threads;
  options.progress = session.progress();
  options.log = session.log();
  CalibrationTable table = calibrate(network, *source, options);
  if (!data_options.preprocess.is_identity()) table.preprocess = data_options.preprocess.to_json();
  return table;
}

void CalibrationFlags::write(const CalibrationTable& table, bool tensorrt,
                             const std::string& version) const {
  write_text(cache, tensorrt ? table.to_tensorrt(version) : table.to_json());
}

std::optional<CalibrationTable> CalibrationFlags::obtain(const Session& session,
                                                         const Network& network) const {
  if (!cache.empty() && std::filesystem::exists(cache)) {
    CalibrationTable table = CalibrationTable::load_any(cache);
    check_digest(table, network, cache);
    session.log()(LogLevel::kInfo,
                  fmt::format("{}: {} ranges read ({}){}", cache, table.entries.size(),
                              table.method, data.empty() ? "" : "; --calibrate is not needed"));
    return table;
  }
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
