// See device_collect.h. Two passes as in driver.cc, one chunk after the other: the GPU is the
// parallelism. Counting is exact, so the order of chunks cannot show.
#include "calibrate/device_collect.h"

#include <bit>
#include <optional>
#include <unordered_map>

#include "backend/backend.h"
#include "base/error.h"
#include "base/parallel_for.h"
#include "calibrate/chunks.h"
#include "calibrate/driver.h"
#include "calibrate/fast_runner.h"
#include "calibrate/histogram.h"
#include "runtime/tensor_access.h"

namespace octile {
namespace {

/// The float that has this key (backend/accelerator.h).
float value_of_key(uint32_t key) {
  const bool positive = (key >> 31) != 0;
  return std::bit_cast<float>(key ^ (positive ? 0x80000000u : 0xffffffffu));
}

/// Values of one tensor in one chunk: on the device or, behind NonZero and its like, on the host.
struct Values {
  const float* data;
  size_t count;
  bool on_host;
};

class DeviceCollector {
 public:
  DeviceCollector(const Network& network, const CalibrationOptions& options)
      : network_(network), options_(options) {
    const DeviceName where = device_from_name(options.device);
    gpu_ = where.backend->open(std::nullopt, options.threads, where.ordinal).accelerator;
    check(gpu_ != nullptr, ErrorCode::kInternal, "{} is no GPU", options.device);
    for (const TensorId id : observed_tensors(network)) {
      index_.emplace(network.name(id), names_.size());
      names_.push_back(network.name(id));
    }
  }
  const std::vector<std::string>& names() const { return names_; }

  std::vector<Histogram> ranges(ChunkReader& reader, int64_t total) {
    const std::vector<DeviceRange> fresh(names_.size());
    const Memory memory = upload(gpu_, std::as_bytes(std::span(fresh)));
    std::vector<Histogram> late(names_.size());
    pass(reader, "ranges", total, [&](size_t tensor, const Values& v) {
      if (v.on_host) return add_to_range(late[tensor], {v.data, v.count});
      gpu_->add_to_range(v.data, v.count, memory.as<DeviceRange>() + tensor, nullptr);
    });
    const std::vector<DeviceRange> found = download<DeviceRange>(memory);
    for (size_t i = 0; i < late.size(); ++i) {
      Histogram part;
      part.finite = found[i].finite;
      part.nan = found[i].nan;
      part.infinite = found[i].infinite;
      part.zeros = found[i].zeros;
      if (part.finite > 0) {
        part.min = value_of_key(found[i].low);
        part.max = value_of_key(found[i].high);
      }
      late[i].merge(part);
    }
    return late;
  }

  std::vector<Histogram> counts(ChunkReader& reader, int64_t total,
                                const std::vector<Histogram>& ranges) {
    const std::vector<DeviceBins> fresh(names_.size());
    const Memory memory = upload(gpu_, std::as_bytes(std::span(fresh)));
    std::vector<BinCounter> late;
    for (const Histogram& range : ranges) late.emplace_back(range);
    pass(reader, "histograms", total, [&](size_t tensor, const Values& v) {
      if (v.on_host) return late[tensor].add({v.data, v.count});
      const BinScale scale = bin_scale(ranges[tensor]);
      gpu_->add_to_bins(v.data, v.count, scale.prescale, scale.bins_per_unit,
                        memory.as<DeviceBins>() + tensor, nullptr);
    });
    const std::vector<DeviceBins> found = download<DeviceBins>(memory);
    std::vector<Histogram> histograms;
    for (size_t i = 0; i < late.size(); ++i) {
      Histogram part = BinCounter(ranges[i]).finish();  // min and max, empty bins
      part.finite = found[i].finite;
      part.nan = found[i].nan;
      part.infinite = found[i].infinite;
      part.zeros = found[i].zeros;
      for (size_t bin = 0; bin < Histogram::kBins; ++bin) {
        part.positive[bin] = found[i].bins[bin];
        part.negative[bin] = found[i].bins[Histogram::kBins + bin];
      }
      histograms.push_back(late[i].finish());
      histograms.back().merge(part);
    }
    return histograms;
  }

 private:
  template <typename T>
  std::vector<T> download(const Memory& memory) const {
    std::vector<T> values(memory.bytes() / sizeof(T));
    if (values.empty()) return values;
    gpu_->copy(values.data(), memory.data(), memory.bytes(), nullptr);
    const std::string failure = gpu_->wait(nullptr);
    check(failure.empty(), ErrorCode::kDevice, "{}: reading histograms failed: {}", gpu_->id(),
          failure);
    return values;
  }

  template <typename Sink>
  void pass(ChunkReader& reader, std::string_view phase, int64_t total, Sink&& sink) {
    reader.rewind();
    while (const std::optional<Chunk> chunk = reader.next()) {
      try {
        run(*chunk, reader.batch(), sink);
      } catch (const Error& error) {
        fail(error.code(), "calibration sample {}: {}", chunk->first, error.what());
      }
      if (options_.progress) options_.progress(phase, reader.samples_read(), total);
    }
  }

  template <typename Sink>
  void run(const Chunk& chunk, int64_t batch, Sink&& sink) {
    if (!fits(chunk.inputs)) make_engine(chunk.inputs);
    for (const auto& [name, value] : chunk.inputs) context_->set_input(name, value);
    context_->run();
    const PlanData& plan = engine_->plan().data();
    TensorAccess::visit_on_device(
        *context_, [&](int32_t t, const Shape& shape, const void* data, bool on_host) {
          const PlanTensor& tensor = plan.tensors[size_t(t)];
          const auto found = index_.find(tensor.name);
          const bool wanted = shown_[size_t(t)] && found != index_.end() && is_float(tensor);
          if (!wanted || shape.volume() == 0) return;
          auto count = static_cast<size_t>(shape.volume());
          // Rows that only fill up a fixed batch do not count.
          const bool padded = chunk.rows < batch && !shape.empty() && shape[0] == batch;
          if (padded) count = count / static_cast<size_t>(batch) * static_cast<size_t>(chunk.rows);
          sink(found->second, Values{static_cast<const float*>(data), count, on_host});
        });
    // The next chunk overwrites the tensors.
    const std::string failure = gpu_->wait(nullptr);
    check(failure.empty(), ErrorCode::kDevice, "{}: counting values failed: {}", gpu_->id(),
          failure);
  }

  bool fits(const Batch& inputs) const {
    if (!engine_) return false;
    for (const auto& [name, value] : inputs) {
      if (engine_->max_shape(name, 0) != value.shape()) return false;
    }
    return true;
  }

  void make_engine(const Batch& inputs) {
    context_.reset();
    engine_.emplace(load_keeping(network_, inputs, options_.device));
    context_.emplace(engine_->create_context());
    shown_ = shown_once(engine_->plan().data());
  }

  const Network& network_;
  const CalibrationOptions& options_;
  const Accelerator* gpu_ = nullptr;
  std::vector<std::string> names_;
  std::unordered_map<std::string, size_t> index_;
  std::optional<Engine> engine_;
  std::optional<ExecutionContext> context_;
  std::vector<bool> shown_;
};

}  // namespace

CalibrationData collect_on_device(const Network& network, BatchSource& source,
                                  const CalibrationOptions& options) {
  const ThreadCountScope threads(options.threads);
  ChunkReader reader(network, source, options);
  DeviceCollector collector(network, options);
  const std::vector<Histogram> ranges = collector.ranges(reader, source.size());
  CalibrationData data;
  data.samples = reader.samples_read();
  check(data.samples > 0, ErrorCode::kInvalidArgument,
        "the calibration data holds no samples; give at least one");
  std::vector<Histogram> counts = collector.counts(reader, data.samples, ranges);
  check(reader.samples_read() == data.samples, ErrorCode::kInvalidArgument,
        "the calibration data delivered {} samples, then {} after rewind(); it must repeat itself",
        data.samples, reader.samples_read());
  for (size_t i = 0; i < counts.size(); ++i) {
    check_repeatable(collector.names()[i], ranges[i], counts[i]);
    data.histograms.emplace(collector.names()[i], std::move(counts[i]));
  }
  data.path = "cuda";
  data.model_digest = network.digest();
  data.data_digest = source.digest();
  data.preprocess = options.preprocess;
  return data;
}

}  // namespace octile
