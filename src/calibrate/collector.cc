// See collector.h.
#include "calibrate/collector.h"

#include <utility>

#include "base/error.h"
#include "base/parallel_for.h"

namespace octile {
namespace {

constexpr int kChunksPerThread = 4;  // read ahead of one parallel loop: bounds the memory

class CpuPasses : public Passes {
 public:
  CpuPasses(const Network& network, const CalibrationOptions& options, RunnerFactory factory)
      : collector_(network, options, std::move(factory)) {}
  const std::vector<std::string>& names() const override { return collector_.names(); }

  std::vector<Histogram> ranges(ChunkReader& reader, int64_t total) override {
    RangeParts parts(collector_.threads(), std::vector<Histogram>(names().size()));
    collector_.pass(
        reader, "ranges", total, 0,
        [&](int thread, size_t tensor, std::span<const float> values) {
          add_to_range(parts[static_cast<size_t>(thread)][tensor], values);
        },
        [](int64_t) {});
    std::vector<Histogram> whole(names().size());
    gather(parts, whole);
    return whole;
  }

  std::vector<Histogram> counts(ChunkReader& reader, int64_t total,
                                const std::vector<Histogram>& ranges) override {
    CountParts parts(collector_.threads());
    for (auto& part : parts) part.resize(ranges.size());
    collector_.pass(
        reader, "histograms", total, 0,
        [&](int thread, size_t tensor, std::span<const float> values) {
          auto& counter = parts[static_cast<size_t>(thread)][tensor];
          if (!counter) counter.emplace(ranges[tensor]);
          counter->add(values);
        },
        [](int64_t) {});
    std::vector<Histogram> whole;
    for (const Histogram& range : ranges) whole.push_back(BinCounter(range).finish());
    gather(parts, whole);
    return whole;
  }

 private:
  Collector collector_;
};

}  // namespace

Collector::Collector(const Network& network, const CalibrationOptions& options,
                     RunnerFactory factory)
    : network_(network),
      options_(options),
      factory_(std::move(factory)),
      observed_(network),
      runners_(static_cast<size_t>(thread_count())) {}

void Collector::pass(ChunkReader& reader, std::string_view phase, int64_t total, int64_t done,
                     const Sink& sink, const std::function<void(int64_t)>& pause) {
  reader.rewind();
  while (reader.samples_read() < done && reader.next()) {
  }
  std::vector<Chunk> chunks;
  do {
    chunks.clear();
    while (chunks.size() < threads() * kChunksPerThread) {
      std::optional<Chunk> chunk = reader.next();
      if (!chunk) break;
      chunks.push_back(std::move(*chunk));
    }
    parallel_for(static_cast<int64_t>(chunks.size()), 1,
                 [&](int64_t begin, int64_t end, int thread) {
                   const ThreadCountScope one_thread(1);
                   for (int64_t i = begin; i < end; ++i) {
                     run(chunks[static_cast<size_t>(i)], reader.batch(), thread, sink);
                   }
                 });
    if (options_.progress && !chunks.empty()) {
      options_.progress(phase, reader.samples_read(), total);
    }
    if (!chunks.empty()) pause(reader.samples_read());
  } while (!chunks.empty());
}

void Collector::run(const Chunk& chunk, int64_t batch, int thread, const Sink& sink) {
  const auto show = [&](std::string_view name, const TensorView& value) {
    const auto found = observed_.index.find(std::string(name));
    if (found == observed_.index.end() || value.type != DataType::kFloat32) return;
    sink(thread, found->second, {value.as<float>(), counted_values(chunk, batch, value.shape)});
  };
  try {
    std::unique_ptr<FloatRunner>& runner = runners_[static_cast<size_t>(thread)];
    if (!runner) runner = factory_(network_);
    for (const auto& [name, tensor] : chunk.inputs) show(name, tensor.view());
    runner->run(chunk.inputs, [&](std::string_view name, const TensorView& value) {
      if (!chunk.inputs.contains(std::string(name))) show(name, value);
    });
  } catch (const Error& error) {
    fail(error.code(), "calibration sample {}: {}", chunk.first, error.what());
  }
}

void gather(RangeParts& parts, std::vector<Histogram>& whole) {
  for (auto& part : parts) {
    for (size_t i = 0; i < whole.size(); ++i) whole[i].merge(std::exchange(part[i], {}));
  }
}

void gather(CountParts& parts, std::vector<Histogram>& whole) {
  for (auto& part : parts) {
    for (size_t i = 0; i < whole.size(); ++i) {
      if (part[i]) whole[i].merge(part[i]->finish());
      part[i].reset();
    }
  }
}

std::unique_ptr<Passes> make_cpu_passes(const Network& network, const CalibrationOptions& options,
                                        RunnerFactory factory) {
  return std::make_unique<CpuPasses>(network, options, std::move(factory));
}

}  // namespace octile
