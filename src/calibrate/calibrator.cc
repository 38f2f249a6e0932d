// The life cycle of a Calibrator: read_cache; without one next_batch until nullopt, write_cache.
#include <exception>
#include <filesystem>
#include <set>

#include "base/bytes.h"
#include "base/error.h"
#include "calibrate/driver.h"
#include "calibrate/spool.h"
#include "calibrate/warnings.h"

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

void check_same(const std::string& cached, const std::string& wanted, std::string_view what) {
  check(
      cached.empty() || wanted.empty() || cached == wanted, ErrorCode::kInvalidArgument,
      "the calibration cache was made for another {} ({}, here {}): delete the cache to calibrate "
      "again, or restore what it was made for",
      what, cached, wanted);
}

/// A cache of Octile's must be of this network, these samples and this method.
void check_own_cache(const CalibrationTable& table, const Network& network, Calibrator& calibrator,
                     const CalibrationOptions& options) {
  check_same(table.model_digest, network.digest(), "model");
  check_same(table.method, std::string(name_of(calibrator.method())), "method");
  check_same(table.data_digest, guarded("data_digest()", [&] { return calibrator.data_digest(); }),
             "data set");
  check_same(table.preprocess, options.preprocess, "preprocessing");
  if (calibrator.method() == CalibrationMethod::kPercentile) {
    check_same(fmt::format("{}", table.percentile), fmt::format("{}", options.percentile),
               "percentile");
  }
  if (options.reproducible) check_same(table.path, "reproducible", "float path");
}

/// TensorRT's caches hold no digests: all that can be compared is the names.
void compare_names(CalibrationTable& table, const Network& network) {
  std::vector<std::string> missing, foreign;
  std::set<std::string> known;
  for (const TensorId id : observed_tensors(network)) {
    const std::string& name = network.name(id);
    known.insert(name);
    if (table.find(name) == nullptr) missing.push_back(name);
  }
  for (const auto& [name, entry] : table.entries) {
    if (!known.contains(name)) foreign.push_back(name);
  }
  if (missing.empty() && foreign.empty()) return;
  std::string text = "the calibration cache and the network name different tensors: ";
  if (!missing.empty()) {
    text += fmt::format("{} of the network have no range ({}){}", missing.size(),
                        name_list(missing), foreign.empty() ? "" : "; ");
  }
  if (!foreign.empty()) {
    text += fmt::format("{} of the cache are not in the network ({})", foreign.size(),
                        name_list(foreign));
  }
  table.warnings.push_back(text + ". Is it this model's cache? It holds no digest to tell");
}

CalibrationTable from_cache(const std::string& bytes, const Network& network,
                            Calibrator& calibrator, const CalibrationOptions& options) {
  CalibrationTable table = CalibrationTable::parse(bytes, "calibration cache");
  if (bytes.starts_with("TRT-")) {
    compare_names(table, network);
  } else {
    check_own_cache(table, network, calibrator, options);
  }
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
  CalibrationData data = collect(network, source, options);
  const std::string digest = guarded("data_digest()", [&] { return calibrator.data_digest(); });
  if (!digest.empty()) data.data_digest = digest;
  CalibrationOptions own = options;
  own.method = calibrator.method();
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
