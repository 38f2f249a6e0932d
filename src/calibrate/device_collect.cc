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

/// From a DeviceRange or DeviceBins.
template <typename Found>
void take_totals(const Found& found, Histogram& to) {
  to.finite = found.finite;
  to.nan = found.nan;
  to.infinite = found.infinite;
  to.zeros = found.zeros;
}

class DeviceCollector : public Passes {
 public:
  DeviceCollector(const Network& network, const CalibrationOptions& options)
      : options_(options), observed_(network), engine_(network, options.device) {
    const DeviceName where = device_from_name(options.device);
    gpu_ = where.backend->open(std::nullopt, options.threads, where.ordinal).accelerator;
    check(gpu_ != nullptr, ErrorCode::kInternal, "{} is no GPU", options.device);
  }
  const std::vector<std::string>& names() const override { return observed_.names; }

  std::vector<Histogram> ranges(ChunkReader& reader, int64_t total) override {
    const std::vector<DeviceRange> fresh(names().size());
    const Memory memory = upload(gpu_, std::as_bytes(std::span(fresh)));
    std::vector<Histogram> late(names().size());
    pass(reader, "ranges", total, [&](size_t tensor, const Values& v) {
      if (v.on_host) return add_to_range(late[tensor], {v.data, v.count});
      gpu_->add_to_range(v.data, v.count, memory.as<DeviceRange>() + tensor, nullptr);
    });
    const std::vector<DeviceRange> found = download<DeviceRange>(memory);
    for (size_t i = 0; i < late.size(); ++i) {
      Histogram part;
      take_totals(found[i], part);
      if (part.finite > 0) {
        part.min = value_of_key(found[i].low);
        part.max = value_of_key(found[i].high);
      }
      late[i].merge(part);
    }
    return late;
  }

  std::vector<Histogram> counts(ChunkReader& reader, int64_t total,
                                const std::vector<Histogram>& ranges) override {
    const std::vector<DeviceBins> fresh(names().size());
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
      take_totals(found[i], part);
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
    engine_.run(chunk.inputs);
    TensorAccess::visit_on_device(engine_.context(), [&](int32_t t, const Shape& shape,
                                                         const void* data, bool on_host) {
      const PlanTensor& tensor = engine_.tensor(t);
      const auto found = observed_.index.find(tensor.name);
      const bool wanted = engine_.shows(t) && found != observed_.index.end() && is_float(tensor);
      if (!wanted || shape.volume() == 0) return;
      sink(found->second,
           Values{static_cast<const float*>(data), counted_values(chunk, batch, shape), on_host});
    });
    // The next chunk overwrites the tensors.
    const std::string failure = gpu_->wait(nullptr);
    check(failure.empty(), ErrorCode::kDevice, "{}: counting values failed: {}", gpu_->id(),
          failure);
  }

  const CalibrationOptions& options_;
  const Accelerator* gpu_ = nullptr;
  const ObservedNames observed_;
  KeepingEngine engine_;
};

}  // namespace

std::unique_ptr<Passes> make_device_passes(const Network& network,
                                           const CalibrationOptions& options) {
  return std::make_unique<DeviceCollector>(network, options);
}

CalibrationData collect_on_device(const Network& network, BatchSource& source,
                                  const CalibrationOptions& options) {
  const ThreadCountScope threads(options.threads);
  ChunkReader reader(network, source, options);
  DeviceCollector collector(network, options);
  const std::vector<Histogram> ranges = collector.ranges(reader, source.size());
  const int64_t samples = reader.samples_read();
  check_samples(samples);
  std::vector<Histogram> counts = collector.counts(reader, samples, ranges);
  return finish_collection(network, source, options, "cuda", reader, samples, collector.names(),
                           ranges, std::move(counts));
}

}  // namespace octile
