// PartCollector: the passes of collect() over a part of the samples, on an engine that stays.
#include "backend/backend.h"
#include "base/error.h"
#include "base/parallel_for.h"
#include "calibrate/collector.h"
#include "calibrate/device_collect.h"
#include "calibrate/fast_runner.h"
#include "calibrate/spool.h"

namespace octile {
namespace {

/// Hashes the samples that go by.
class HashingSource : public BatchSource {
 public:
  explicit HashingSource(BatchSource& source) : source_(source) {}
  std::optional<Batch> next() override {
    std::optional<Batch> batch = source_.next();
    if (!batch || batch->empty()) return batch;
    const Shape& shape = batch->begin()->second.shape();
    const int64_t rows = shape.empty() ? 0 : shape[0];
    for (const auto& [name, tensor] : *batch) {
      if (tensor.shape().empty() || tensor.shape()[0] != rows) return batch;  // refused behind us
    }
    for (int64_t row = 0; row < rows; ++row) sum_ += sample_hash(*batch, row);
    return batch;
  }
  void rewind() override {
    source_.rewind();
    sum_ = 0;
  }
  int64_t size() const override { return source_.size(); }
  std::string digest() override { return source_.digest(); }
  uint64_t sum() const { return sum_; }

 private:
  BatchSource& source_;
  uint64_t sum_ = 0;
};

/// "onednn: …", "cuda: …", "reproducible".
std::string path_of(const Network& network, const CalibrationOptions& options) {
  if (options.device != "cpu") {
    check(!options.reproducible, ErrorCode::kInvalidArgument,
          "reproducible calibration runs on the CPU alone, not on {}", options.device);
    const DeviceName where = device_from_name(options.device);
    return "cuda: " + where.backend->float_path(where.ordinal);
  }
  if (options.reproducible || make_fast_runner(network) == nullptr) return "reproducible";
  return "onednn: " + cpu_backend().float_path(0);
}

/// The network itself, whose samples run one by one.
const Network& one_by_one(const Network& network) {
  for (const TensorId id : network.inputs()) {
    const Shape& shape = network.shape(id);
    check(
        shape.rank() == 0 || shape[0] == kDynamic || shape[0] == 1, ErrorCode::kInvalidArgument,
        "network '{}' has a fixed batch of {}: its samples run together, so that the result would "
        "depend on how they are shared out. Export it with a dynamic batch (-1)",
        network.name(), shape[0]);
  }
  return network;
}

}  // namespace

struct PartCollector::State {
  State(const Network& given, const CalibrationOptions& how)
      : network(one_by_one(given)),
        options(how),
        model_digest(given.digest()),
        path(path_of(given, how)) {
    const ThreadCountScope threads(options.threads);
    if (options.device != "cpu") {
      passes = make_device_passes(network, options);
    } else {
      passes = make_cpu_passes(
          network, options, path == "reproducible" ? make_reproducible_runner : make_fast_runner);
    }
  }

  /// `run` makes the histograms of what a reader over the samples gives.
  template <typename Run>
  CalibrationPart make(BatchSource& source, const ProgressFunction& progress, Run&& run) {
    const ThreadCountScope threads(options.threads);
    options.progress = progress;
    HashingSource hashed(source);
    ChunkReader reader(network, hashed, options);
    const std::vector<Histogram> found = run(reader);
    CalibrationPart part;
    for (size_t i = 0; i < found.size(); ++i) part.histograms[passes->names()[i]] = found[i];
    part.paths = {path};
    part.model_digest = model_digest;
    part.preprocess = options.preprocess;
    part.samples = reader.samples_read();
    part.sample_hashes = hashed.sum();
    return part;
  }

  const Network network;
  CalibrationOptions options;
  const std::string model_digest, path;
  std::unique_ptr<Passes> passes;
};

PartCollector::PartCollector(const Network& network, const CalibrationOptions& options)
    : state_(std::make_unique<State>(network, options)) {}
PartCollector::~PartCollector() = default;
PartCollector::PartCollector(PartCollector&&) noexcept = default;

const std::string& PartCollector::path() const { return state_->path; }

CalibrationPart PartCollector::ranges(BatchSource& source, const ProgressFunction& progress) {
  return state_->make(source, progress, [&](ChunkReader& reader) {
    return state_->passes->ranges(reader, source.size());
  });
}

CalibrationPart PartCollector::counts(BatchSource& source, const CalibrationPart& ranges,
                                      const ProgressFunction& progress) {
  check(!ranges.counted && ranges.model_digest == state_->model_digest, ErrorCode::kInvalidArgument,
        "counting needs the merged ranges of the same model");
  std::vector<Histogram> ordered;
  for (const std::string& name : state_->passes->names()) {
    const auto found = ranges.histograms.find(name);
    check(found != ranges.histograms.end(), ErrorCode::kInvalidArgument,
          "tensor '{}': the merged ranges lack it; they are another model's", name);
    ordered.push_back(found->second);
  }
  CalibrationPart part = state_->make(source, progress, [&](ChunkReader& reader) {
    return state_->passes->counts(reader, source.size(), ordered);
  });
  part.counted = true;
  return part;
}

}  // namespace octile
