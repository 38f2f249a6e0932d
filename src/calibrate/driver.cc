// Two passes over the samples: the ranges of all tensors, then their counts. A chunk runs on one
// thread, chunks run in parallel, each thread fills its own histograms, and those merge exactly:
// so order, batch size and thread count cannot show in the result.
#include "calibrate/driver.h"

#include <utility>

#include "base/error.h"
#include "base/parallel_for.h"
#include "calibrate/algorithms.h"
#include "calibrate/checkpoint.h"
#include "calibrate/chunks.h"
#include "calibrate/collector.h"
#include "calibrate/device_collect.h"
#include "calibrate/fast_runner.h"
#include "calibrate/histogram.h"
#include "calibrate/warnings.h"

namespace octile {
namespace {

void range_pass(Collector& collector, ChunkReader& reader, int64_t total, CollectionState& state,
                Checkpoint& checkpoint) {
  RangeParts parts(collector.threads(), std::vector<Histogram>(collector.names().size()));
  collector.pass(
      reader, "ranges", total, state.done,
      [&](int thread, size_t tensor, std::span<const float> values) {
        add_to_range(parts[static_cast<size_t>(thread)][tensor], values);
      },
      [&](int64_t done) {
        if (!checkpoint.due()) return;
        gather(parts, state.ranges);
        state.done = done;
        checkpoint.save(state);
      });
  gather(parts, state.ranges);
}

void counting_pass(Collector& collector, ChunkReader& reader, CollectionState& state,
                   Checkpoint& checkpoint) {
  CountParts parts(collector.threads());
  for (auto& part : parts) part.resize(state.ranges.size());
  collector.pass(
      reader, "histograms", state.samples, state.done,
      [&](int thread, size_t tensor, std::span<const float> values) {
        auto& counter = parts[static_cast<size_t>(thread)][tensor];
        if (!counter) counter.emplace(state.ranges[tensor]);
        counter->add(values);
      },
      [&](int64_t done) {
        if (!checkpoint.due()) return;
        gather(parts, state.counts);
        state.done = done;
        checkpoint.save(state);
      });
  gather(parts, state.counts);
}

/// From the first pass to the second.
void begin_counting(CollectionState& state, int64_t samples) {
  check_samples(samples);
  state.counting = true;
  state.samples = samples;
  state.done = 0;
  for (const Histogram& range : state.ranges) state.counts.push_back(BinCounter(range).finish());
}

CollectionKey key_of(const Network& network, BatchSource& source, const CalibrationOptions& options,
                     const std::string& path) {
  if (options.checkpoint.empty()) return {};  // digests take time
  std::string shapes;
  for (const auto& [name, shape] : options.input_shapes) shapes += name + shape.to_string();
  return {network.digest(), source.digest(), options.preprocess, path, shapes};
}

/// Throws unless the counting pass saw the values that the range pass saw.
void check_repeatable(const std::string& name, const Histogram& range, const Histogram& counted) {
  check(same_counts(range, counted), ErrorCode::kInvalidArgument,
        "tensor '{}': the second pass over the samples gave other values than the first; the data "
        "source must deliver the same batches after rewind()",
        name);
}

}  // namespace

std::vector<TensorId> observed_tensors(const Network& network) {
  std::vector<bool> depends(static_cast<size_t>(network.tensor_count()));
  std::vector<TensorId> result;
  const auto add = [&](TensorId id) {
    depends[static_cast<size_t>(id.index)] = true;
    if (network.type(id) == DataType::kFloat32) result.push_back(id);
  };
  for (const TensorId id : network.inputs()) add(id);
  for (const LayerId layer : network.layers()) {
    bool any = false;
    for (const TensorId id : network.inputs(layer)) {
      any = any || (id.valid() && depends[static_cast<size_t>(id.index)]);
    }
    if (!any) continue;
    for (const TensorId id : network.outputs(layer)) add(id);
  }
  return result;
}

ObservedNames::ObservedNames(const Network& network) {
  for (const TensorId id : observed_tensors(network)) {
    index.emplace(network.name(id), names.size());
    names.push_back(network.name(id));
  }
}

size_t counted_values(const Chunk& chunk, int64_t batch, const Shape& shape) {
  const auto count = static_cast<size_t>(shape.volume());
  const bool padded = chunk.rows < batch && !shape.empty() && shape[0] == batch;
  if (!padded) return count;
  return count / static_cast<size_t>(batch) * static_cast<size_t>(chunk.rows);
}

void check_samples(int64_t samples) {
  check(samples > 0, ErrorCode::kInvalidArgument,
        "the calibration data holds no samples; give at least one");
}

CalibrationData finish_collection(const Network& network, BatchSource& source,
                                  const CalibrationOptions& options, const std::string& path,
                                  const ChunkReader& reader, int64_t samples,
                                  const std::vector<std::string>& names,
                                  const std::vector<Histogram>& ranges,
                                  std::vector<Histogram> counts) {
  check(reader.samples_read() == samples, ErrorCode::kInvalidArgument,
        "the calibration data delivered {} samples, then {} after rewind(); it must repeat itself",
        samples, reader.samples_read());
  CalibrationData data;
  data.samples = samples;
  for (size_t i = 0; i < counts.size(); ++i) {
    check_repeatable(names[i], ranges[i], counts[i]);
    data.histograms.emplace(names[i], std::move(counts[i]));
  }
  data.path = path;
  data.model_digest = network.digest();
  data.data_digest = source.digest();
  data.preprocess = options.preprocess;
  return data;
}

CalibrationData collect_with(const Network& network, BatchSource& source,
                             const CalibrationOptions& options, const RunnerFactory& factory,
                             const std::string& path) {
  const ThreadCountScope threads(options.threads);
  ChunkReader reader(network, source, options);
  Collector collector(network, options, factory);
  Checkpoint checkpoint(options, key_of(network, source, options, path), collector.names());
  CollectionState state = checkpoint.load().value_or(CollectionState{});
  state.ranges.resize(collector.names().size());
  if (!state.counting) {
    range_pass(collector, reader, source.size(), state, checkpoint);
    begin_counting(state, reader.samples_read());
  }
  counting_pass(collector, reader, state, checkpoint);
  CalibrationData data =
      finish_collection(network, source, options, path, reader, state.samples, collector.names(),
                        state.ranges, std::move(state.counts));
  checkpoint.remove();
  return data;
}

CalibrationData collect(const Network& network, BatchSource& source,
                        const CalibrationOptions& options) {
  if (options.device != "cpu") {
    check(!options.reproducible, ErrorCode::kInvalidArgument,
          "reproducible calibration runs on the CPU alone, not on {}", options.device);
    return collect_on_device(network, source, options);
  }
  if (!options.reproducible && make_fast_runner(network) != nullptr) {
    return collect_with(network, source, options, make_fast_runner, "onednn");
  }
  if (!options.reproducible && options.log) {
    options.log(LogLevel::kInfo,
                "calibration: this build has no fast float path; the reproducible "
                "one is used");
  }
  return collect_with(network, source, options, make_reproducible_runner, "reproducible");
}

CalibrationTable compute_table(const CalibrationData& data, const CalibrationOptions& options) {
  const ThreadCountScope threads(options.threads);
  std::vector<const std::pair<const std::string, Histogram>*> tensors;
  for (const auto& item : data.histograms) tensors.push_back(&item);
  const auto count = static_cast<int64_t>(tensors.size());
  std::vector<CalibrationTable::Entry> entries(tensors.size());
  if (options.progress) options.progress("thresholds", 0, count);
  parallel_for(count, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const auto& [name, histogram] = *tensors[static_cast<size_t>(i)];
      try {
        CalibrationTable::Entry& entry = entries[static_cast<size_t>(i)];
        entry = threshold(histogram, options.method, options.percentile);
        entry.seen = Range{histogram.min, histogram.max};
      } catch (const Error& error) {
        fail(error.code(), "tensor '{}': {}", name, error.what());
      }
    }
  });
  CalibrationTable table;
  for (size_t i = 0; i < tensors.size(); ++i) {
    table.entries.emplace(tensors[i]->first, entries[i]);
  }
  table.method = name_of(options.method);
  if (options.method == CalibrationMethod::kPercentile) table.percentile = options.percentile;
  table.path = data.path;
  table.model_digest = data.model_digest;
  table.data_digest = data.data_digest;
  table.preprocess = data.preprocess;
  table.samples = data.samples;
  table.warnings = degenerate_warnings(data);
  if (std::string clipping = clipping_warning(data, table); !clipping.empty()) {
    table.warnings.push_back(std::move(clipping));
  }
  if (options.log) {
    for (const std::string& warning : table.warnings) options.log(LogLevel::kWarning, warning);
  }
  if (options.progress) options.progress("thresholds", count, count);
  return table;
}

CalibrationTable calibrate(const Network& network, BatchSource& source,
                           const CalibrationOptions& options) {
  return compute_table(collect(network, source, options), options);
}

}  // namespace octile
