// The life cycle of a Calibrator: read_cache; without one next_batch until nullopt, write_cache.
#include <exception>
#include <filesystem>

#include "base/bytes.h"
#include "base/error.h"
#include "calibrate/driver.h"
#include "calibrate/spool.h"

namespace octile {
namespace {

/// Runs user code; what it throws goes on as an Error that says where, with the original nested.
template <typename Call>
auto guarded(const char* what, Call&& call) {
  try {
    return call();
  } catch (const Error& error) {
    std::throw_with_nested(
        Error(error.code(), fmt::format("calibrator's {}: {}", what, error.what())));
  } catch (const std::exception& error) {
    std::throw_with_nested(Error(ErrorCode::kInvalidArgument,
                                 fmt::format("calibrator's {} threw: {}", what, error.what())));
  }
}

CacheRequirements requirements(Calibrator& calibrator, const CalibrationOptions& options) {
  CacheRequirements wanted;
  wanted.method = calibrator.method();
  wanted.data_digest = guarded("data_digest()", [&] { return calibrator.data_digest(); });
  if (!options.preprocess.empty()) wanted.preprocess = options.preprocess;
  if (calibrator.method() == CalibrationMethod::kPercentile) wanted.percentile = options.percentile;
  wanted.reproducible = options.reproducible;
  return wanted;
}

CalibrationTable from_cache(const std::string& bytes, const Network& network,
                            Calibrator& calibrator, const CalibrationOptions& options) {
  constexpr const char* kOrigin = "calibration cache";
  CalibrationTable table = CalibrationTable::parse(bytes, kOrigin);
  check_cache(table, network, requirements(calibrator, options), kOrigin);
  if (options.log) {
    for (const std::string& warning : table.warnings) options.log(LogLevel::kWarning, warning);
  }
  return table;
}

}  // namespace

CalibrationTable calibrate(const Network& network, Calibrator& calibrator,
                           const CalibrationOptions& options) {
  if (const auto cache = guarded("read_cache()", [&] { return calibrator.read_cache(); })) {
    return from_cache(*cache, network, calibrator, options);
  }
  check(calibrator.batch_size() > 0, ErrorCode::kInvalidArgument,
        "the calibrator's batch size is {}; it must be at least 1", calibrator.batch_size());
  SpoolingSource source(
      [&] { return guarded("next_batch()", [&] { return calibrator.next_batch(); }); });
  CalibrationOptions own = options;
  own.method = calibrator.method();
  own.checkpoint.clear();
  CalibrationData data = collect(network, source, own);
  const std::string digest = guarded("data_digest()", [&] { return calibrator.data_digest(); });
  if (!digest.empty()) data.data_digest = digest;
  CalibrationTable table = compute_table(data, own);
  guarded("write_cache()", [&] { calibrator.write_cache(table.to_json()); });
  return table;
}

SourceCalibrator::SourceCalibrator(std::unique_ptr<BatchSource> source, CalibrationMethod method,
                                   std::string cache_file, int64_t batch, bool tensorrt_form)
    : source_(std::move(source)),
      method_(method),
      cache_file_(std::move(cache_file)),
      batch_(batch),
      tensorrt_form_(tensorrt_form) {
  check(source_ != nullptr, ErrorCode::kInvalidArgument, "a SourceCalibrator needs a data source");
}

std::optional<std::string> SourceCalibrator::read_cache() {
  source_->rewind();
  if (cache_file_.empty() || !std::filesystem::exists(cache_file_)) return std::nullopt;
  return read_file(cache_file_);
}

void SourceCalibrator::write_cache(const std::string& bytes) {
  if (cache_file_.empty()) return;
  write_file(cache_file_,
             tensorrt_form_ ? CalibrationTable::parse(bytes, cache_file_).to_tensorrt() : bytes);
}

}  // namespace octile
