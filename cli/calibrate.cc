// octile calibrate: from a model and samples to a calibration cache.
#include <fmt/format.h>

#include "model_flags.h"
#include "session.h"

namespace octile::cli {
namespace {

struct CalibrateFlags {
  ModelFlags model;
  CalibrationFlags calibration;
  std::string format = "octile", version = "8601";
  const CLI::App* command = nullptr;
};

/// As the library would say it, but before the calibration.
std::string version_refusal(const std::string& version) {
  try {
    (void)CalibrationTable().to_tensorrt(version);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void run_calibrate(const Session& session, const CalibrateFlags& flags) {
  if (flags.calibration.data.empty() || flags.calibration.cache.empty()) {
    throw CLI::ValidationError("calibrate needs --calibrate DATA and --cache FILE");
  }
  if (flags.command->count("--tensorrt-version") > 0 && flags.format != "tensorrt") {
    throw CLI::ValidationError("--tensorrt-version", "needs --format tensorrt");
  }
  flags.calibration.check();
  check_apart({{"--cache", flags.calibration.cache}},
              {{"the model", flags.model.file}, {"--calibrate", flags.calibration.data}});
  const Network network = flags.model.load(session);
  const CalibrationTable table =
      flags.calibration.collect(session, network, flags.calibration.cache);
  const bool tensorrt = flags.format == "tensorrt";
  flags.calibration.write(table, tensorrt, flags.version);
  fmt::print("{}: {} tensors, method {}, {} samples, path {}\n", flags.calibration.cache,
             table.entries.size(), table.method, table.samples, table.path);
}

}  // namespace

void add_calibrate(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "calibrate",
      "Collect the range of every tensor and write a calibration cache.\n"
      "Example: octile calibrate model.onnx --calibrate images/ --preprocess scale=1/255 "
      "--cache model.cache");
  auto flags = std::make_shared<CalibrateFlags>();
  flags->model.add(*command);
  flags->command = command;
  flags->calibration.add(*command, "The cache to write; an old one is replaced");
  command->add_option("--format", flags->format, "octile (JSON, both ends, digests) or tensorrt")
      ->check(CLI::IsMember({"octile", "tensorrt"}))
      ->capture_default_str();
  command->add_option("--tensorrt-version", flags->version, "Version token of the TensorRT cache")
      ->check(CLI::Validator([](std::string& text) { return version_refusal(text); }, "TOKEN"))
      ->capture_default_str();
  command->callback([&session, flags] { run_calibrate(session, *flags); });
}

}  // namespace octile::cli
