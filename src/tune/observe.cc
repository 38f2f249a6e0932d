// See observe.h.
#include "tune/observe.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/parallel_for.h"
#include "calibrate/chunks.h"
#include "calibrate/fast_runner.h"

namespace octile {
namespace {

constexpr size_t kChunksPerThread = 4;  // read ahead of one parallel loop: bounds the memory

using Values = std::map<std::string, Tensor>;

Tensor copied(const TensorView& value) {
  Tensor copy(value.type, value.shape);
  std::memcpy(copy.data(), value.data, copy.bytes());
  return copy;
}

class Observer {
 public:
  Observer(const Network& network, const CalibrationOptions& options,
           const std::vector<std::string>& names)
      : network_(network),
        names_(names.begin(), names.end()),
        fast_(!options.reproducible && make_fast_runner(network) != nullptr),
        runners_(static_cast<size_t>(thread_count())) {
    std::sort(names_.begin(), names_.end());
  }
  size_t threads() const { return runners_.size(); }

  Values run(const Chunk& chunk, int thread) {
    std::unique_ptr<FloatRunner>& runner = runners_[static_cast<size_t>(thread)];
    if (!runner) runner = fast_ ? make_fast_runner(network_) : make_reproducible_runner(network_);
    Values values;
    runner->run(chunk.inputs, [&](std::string_view name, const TensorView& value) {
      if (!std::binary_search(names_.begin(), names_.end(), name, std::less<>())) return;
      values.emplace(name, copied(value));
    });
    return values;
  }

 private:
  const Network& network_;
  std::vector<std::string> names_;
  bool fast_;
  std::vector<std::unique_ptr<FloatRunner>> runners_;  // one a thread, made when it first runs
};

}  // namespace

int64_t observe(const Network& network, BatchSource& source, const CalibrationOptions& options,
                const std::vector<std::string>& names, std::string_view phase,
                const ChunkConsumer& consume) {
  const ThreadCountScope threads(options.threads);
  ChunkReader reader(network, source, options);
  Observer observer(network, options, names);
  reader.rewind();
  std::vector<Chunk> chunks;
  do {
    chunks.clear();
    while (chunks.size() < observer.threads() * kChunksPerThread) {
      std::optional<Chunk> chunk = reader.next();
      if (!chunk) break;
      chunks.push_back(std::move(*chunk));
    }
    std::vector<Values> values(chunks.size());
    parallel_for(
        static_cast<int64_t>(chunks.size()), 1, [&](int64_t begin, int64_t end, int thread) {
          const ThreadCountScope one_thread(1);
          for (int64_t i = begin; i < end; ++i) {
            values[static_cast<size_t>(i)] = observer.run(chunks[static_cast<size_t>(i)], thread);
          }
        });
    for (size_t i = 0; i < chunks.size(); ++i) consume(chunks[i].rows, values[i]);
    if (options.progress && !chunks.empty()) {
      options.progress(phase, reader.samples_read(), source.size());
    }
  } while (!chunks.empty());
  check(reader.samples_read() > 0, ErrorCode::kInvalidArgument,
        "{}: the calibration data holds no samples; give at least one", phase);
  return reader.samples_read();
}

}  // namespace octile
