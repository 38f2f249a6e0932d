// See model_flags.h.
#include "model_flags.h"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>

namespace octile::cli {

void ModelFlags::add(CLI::App& command) {
  command.add_option("model", file, "The model, an .onnx file")->required();
  command.add_flag("--dynamic-batch", dynamic_batch,
                   "Make axis 0 of the inputs dynamic where the file fixed it at 1");
  constants.add(command);
}

Network ModelFlags::load(const Session& session) const {
  return load_model(session, file, dynamic_batch, constants);
}

void CalibrationFlags::add(CLI::App& command, const std::string& about_cache) {
  command.add_option("--calibrate", data,
                     "Samples: a directory (images or IDX files), .npy, .npz, an IDX file, or a "
                     "text file that lists images");
  command.add_option("--cache", cache, about_cache);
  method_option_ = command.add_option("--method", method, "How a histogram becomes a range")
                       ->check(method_names())
                       ->capture_default_str();
  percentile_option_ = command.add_option("--percentile", percentile, "For --method percentile")
                           ->check(CLI::Range(50.0, 100.0))
                           ->capture_default_str();
  command.add_flag("--reproducible", reproducible,
                   "Plain fixed-order float arithmetic: the same cache on every machine");
  flags.add(command);
}

void CalibrationFlags::add_recipes(CLI::App& command) {
  command
      .add_option("--recipe", recipes,
                  "Ways to more accuracy (docs/accuracy.md), repeatable or separated by commas")
      ->check(CLI::IsMember(recipe_names()))
      ->delimiter(',');
}

void CalibrationFlags::check() const {
  if (!recipes.empty() && data.empty()) {
    throw CLI::ValidationError("--recipe", "needs --calibrate DATA: recipes measure on samples");
  }
  if (percentile_option_->count() > 0 && method != "percentile") {
    throw CLI::ValidationError("--percentile", "needs --method percentile");
  }
  (void)flags.options();  // --preprocess
  check_writable("--cache", cache);
}

CalibrationOptions CalibrationFlags::options(const Session& session) const {
  CalibrationOptions options;
  options.method = calibration_method_from_name(method);
  options.percentile = percentile;
  options.reproducible = reproducible;
  // Reproducible arithmetic is the CPU's, wherever the engine will run.
  options.device = reproducible ? "cpu" : session.device;
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
    options.input_types[network.name(input)] = network.type(input);
  }
  return open_data(data, options);
}

CalibrationTable CalibrationFlags::collect(const Session& session, const Network& network,
                                           const std::string& beside) const {
  const Preprocess preprocess = flags.options().preprocess;
  CalibrationOptions calibration = options(session);
  calibration.checkpoint = (cache.empty() ? beside : cache) + ".partial";
  if (!preprocess.is_identity()) calibration.preprocess = preprocess.to_json();
  return calibrate(network, *open(network, preprocess), calibration);
}

CalibrationData CalibrationFlags::histograms(const Session& session, const Network& network,
                                             const std::string& known) const {
  return octile::collect(network, *open(network, flags.options(known).preprocess),
                         options(session));
}

void CalibrationFlags::write(const CalibrationTable& table, bool tensorrt,
                             const std::string& version) const {
  save_text(cache, tensorrt ? table.to_tensorrt(version) : table.to_json());
}

CacheRequirements CalibrationFlags::requirements(const Network& network,
                                                 const CalibrationTable& table) const {
  CacheRequirements wanted;
  if (method_option_->count() > 0) wanted.method = calibration_method_from_name(method);
  if (method == "percentile") wanted.percentile = percentile;
  wanted.reproducible = reproducible;
  const Preprocess preprocess = flags.options(table.preprocess).preprocess;
  wanted.preprocess = preprocess.is_identity() ? "" : preprocess.to_json();
  const bool own = !table.model_digest.empty();  // TensorRT's caches know no samples
  if (own && !data.empty()) wanted.data_digest = open(network, preprocess)->digest();
  return wanted;
}

CalibrationTable CalibrationFlags::from_cache(const Session& session,
                                              const Network& network) const {
  CalibrationTable table = CalibrationTable::load_any(cache);
  check_cache(table, network, requirements(network, table), cache);
  for (const std::string& warning : table.warnings) session.log()(LogLevel::kWarning, warning);
  session.log()(LogLevel::kInfo,
                fmt::format("{}: {} ranges read ({}){}", cache, table.entries.size(), table.method,
                            data.empty() ? "" : "; --calibrate is not run again"));
  return table;
}

std::optional<CalibrationTable> CalibrationFlags::obtain(const Session& session,
                                                         const Network& network,
                                                         const std::string& beside) const {
  if (!cache.empty() && std::filesystem::exists(cache)) return from_cache(session, network);
  if (data.empty()) {
    if (!cache.empty()) {
      throw Error(ErrorCode::kIo, fmt::format("{}: no such cache, and no --calibrate to make it "
                                              "from",
                                              cache));
    }
    return std::nullopt;
  }
  CalibrationTable table = collect(session, network, beside);
  if (!cache.empty()) write(table, false, "");
  return table;
}

void CalibrationFlags::before_calibration(const Session& session, Network& network,
                                          BuildOptions& build) const {
  if (recipes.empty()) return;
  const auto samples = open(network, flags.options().preprocess);
  octile::before_calibration(network, build, recipes, samples.get(), options(session));
}

void CalibrationFlags::before_build(const Session& session, Network& network, BuildOptions& build,
                                    const CalibrationTable* table) const {
  if (recipes.empty()) return;
  const std::string known = table != nullptr ? table->preprocess : "";
  const auto samples = open(network, flags.options(known).preprocess);
  octile::before_build(network, build, table, recipes, samples.get(), options(session));
}

}  // namespace octile::cli
