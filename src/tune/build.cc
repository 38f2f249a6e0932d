// The public build(): compile, with calibration before it when a Calibrator is given.
#include "base/parallel_for.h"
#include "compile/compile.h"
#include "octile/builder.h"

namespace octile {
namespace {

std::string preprocess_json(const BuildOptions& options) {
  return options.preprocess.is_identity() ? "" : options.preprocess.to_json();
}

}  // namespace

Plan build(const Network& network, const CalibrationTable* table, const BuildOptions& options) {
  const ThreadCountScope threads(options.threads);
  return Plan(
      compile(network, table,
              {.build = options, .keep_tensors = false, .preprocess = preprocess_json(options)}));
}

Plan build(const Network& network, Calibrator& calibrator, const BuildOptions& options) {
  CalibrationOptions calibration;
  calibration.method = calibrator.method();
  calibration.threads = options.threads;
  calibration.progress = options.progress;
  calibration.log = options.log;
  calibration.preprocess = preprocess_json(options);
  if (!options.profiles.empty()) {
    for (const auto& [name, range] : options.profiles.front()) {
      calibration.input_shapes[name] = range.opt;
    }
  }
  const CalibrationTable table = calibrate(network, calibrator, calibration);
  return build(network, &table, options);
}

Plan retime(const Plan& plan, const BuildOptions& options) {
  return Plan(retime(plan.data(), options));
}

}  // namespace octile
