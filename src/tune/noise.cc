// See noise.h. One plan holds the float network and the int8 copies of all groups; chunks run in
// parallel, one thread each, and their sums are added in order.
#include "tune/noise.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/parallel_for.h"
#include "tune/noise_rounds.h"

namespace octile {
namespace {

constexpr int64_t kNoiseChunksPerThread = 4;  // read ahead of one parallel loop: bounds the memory

/// Σ y² and Σ (y − float y)² of the measured tensors.
struct NoiseSums {
  std::vector<double> signal;
  std::vector<std::vector<double>> errors;  // by probe
};

/// The mean over tensors that are not zero everywhere.
double noise_of(const std::vector<double>& signal, const std::vector<double>& errors) {
  double sum = 0.0;
  int count = 0;
  for (size_t m = 0; m < signal.size(); ++m) {
    if (signal[m] <= 0.0) continue;
    sum += errors[m] / signal[m];
    ++count;
  }
  return count > 0 ? sum / count : 0.0;
}

bool have_equal_shapes(const Chunk& a, const Chunk& b) {
  return std::ranges::all_of(a.inputs, [&](const auto& input) {
    return b.inputs.at(input.first).shape() == input.second.shape();
  });
}

class NoiseMeter {
 public:
  NoiseMeter(const CopiedNetwork& copied, const ProgressFunction& progress, int64_t chunks)
      : copied_(copied), progress_(progress), chunks_(chunks) {}

  /// REQUIRES: equal shapes.
  void measure(std::span<const Chunk> chunks) {
    load(chunks[0]);
    std::vector<NoiseSums> sums(chunks.size());
    for (NoiseSums& of_chunk : sums) of_chunk.errors.resize(plan_->probes.size());
    // With threads to spare, several share a chunk: each runs it in float, and some of the groups.
    const int64_t spare = thread_count() / static_cast<int64_t>(chunks.size());
    const auto shares = std::clamp<int64_t>(spare, 1, std::max<int64_t>(1, groups()));
    parallel_for(static_cast<int64_t>(chunks.size()) * shares, 1,
                 [&](int64_t begin, int64_t end, int thread) {
                   for (int64_t i = begin; i < end; ++i) {
                     const auto c = static_cast<size_t>(i / shares);
                     run(chunks[c], i % shares, shares, thread, sums[c]);
                   }
                 });
    for (const NoiseSums& of_chunk : sums) add(of_chunk);
    if (progress_) progress_("noise", done_, chunks_ * groups());
  }

  const NoisePlan& plan() const { return *plan_; }
  /// Of a probe's group.
  double noise(size_t probe) const { return noise_of(total_.signal, total_.errors[probe]); }

 private:
  int64_t groups() const { return static_cast<int64_t>(plan_->probes.size()); }

  /// Other shapes need another plan, with the same steps in the same order.
  void load(const Chunk& chunk) {
    if (first_ && have_equal_shapes(*first_, chunk)) return;
    first_ = chunk;
    contexts_.clear();
    contexts_.resize(static_cast<size_t>(thread_count()));
    plan_.emplace(copied_, chunk.inputs);
    engine_.emplace(Engine::load(Plan(plan_->plan), EngineOptions{.threads = 1}));
  }

  /// Every `shares`th group.
  void run(const Chunk& chunk, int64_t share, int64_t shares, int thread, NoiseSums& sums) {
    auto& context = contexts_[static_cast<size_t>(thread)];
    if (!context) context.emplace(engine_->create_context());
    NoiseRounds rounds(*plan_, *context, chunk);
    const std::vector<double> signal = rounds.run_float();
    if (share == 0) sums.signal = signal;
    for (int64_t p = share; p < groups(); p += shares) {
      const auto probe = static_cast<size_t>(p);
      sums.errors[probe] = rounds.run_probe(plan_->probes[probe]);
      const int64_t done = ++done_;
      if (progress_ && thread == 0) progress_("noise", done, chunks_ * groups());  // the caller's
    }
  }

  void add(const NoiseSums& sums) {
    total_.signal.resize(sums.signal.size(), 0.0);
    total_.errors.resize(sums.errors.size(), total_.signal);
    for (size_t m = 0; m < sums.signal.size(); ++m) {
      total_.signal[m] += sums.signal[m];
      for (size_t p = 0; p < sums.errors.size(); ++p) total_.errors[p][m] += sums.errors[p][m];
    }
  }

  const CopiedNetwork& copied_;
  const ProgressFunction& progress_;
  int64_t chunks_;
  std::atomic<int64_t> done_{0};  // rounds
  std::optional<Chunk> first_;    // of those that the plan is for
  std::optional<NoisePlan> plan_;
  std::optional<Engine> engine_;
  std::vector<std::optional<ExecutionContext>> contexts_;  // one a thread, made when it first runs
  NoiseSums total_;
};

/// Runs chunk after chunk, up to `samples` samples.
void measure_all(NoiseMeter& meter, ChunkReader& reader, int64_t samples) {
  std::vector<Chunk> chunks;
  do {
    chunks.clear();
    while (static_cast<int64_t>(chunks.size()) < thread_count() * kNoiseChunksPerThread &&
           reader.samples_read() < samples) {
      std::optional<Chunk> chunk = reader.next();
      if (!chunk) break;
      chunks.push_back(std::move(*chunk));
    }
    for (auto first = chunks.begin(); first != chunks.end();) {
      const auto last = std::find_if_not(first, chunks.end(), [&](const Chunk& chunk) {
        return have_equal_shapes(*first, chunk);
      });
      meter.measure({first, last});
      first = last;
    }
  } while (!chunks.empty());
  check(reader.samples_read() > 0, ErrorCode::kInvalidArgument,
        "noise: the calibration data holds no samples; give at least one");
}

/// In running order. Groups without a probe change no measured tensor.
std::vector<GroupNoise> entries(const CopiedNetwork& copied, const NoiseMeter& meter) {
  const NoisePlan& plan = meter.plan();
  std::vector<double> noise(copied.copies.size(), 0.0);
  for (size_t p = 0; p < plan.probes.size(); ++p) noise[plan.probes[p].copy] = meter.noise(p);
  std::vector<GroupNoise> list;
  for (size_t c = 0; c < copied.copies.size(); ++c) {
    if (std::ranges::count(plan.late_copies, c) > 0) continue;
    list.push_back({copied.copies[c].group, noise[c]});
  }
  return list;
}

void tell_late(const CopiedNetwork& copied, const NoisePlan& plan, const LogCallback& log) {
  if (!log || plan.late_copies.empty()) return;
  std::string names;
  for (const size_t c : plan.late_copies) names += "\n  " + copied.copies[c].group;
  log(LogLevel::kInfo, fmt::format("the noise of {} groups is not known, since the shape of what "
                                   "they make hangs on values:{}",
                                   plan.late_copies.size(), names));
}

}  // namespace

double GroupNoise::sqnr_db() const {
  return noise > 0.0 ? -10.0 * std::log10(noise) : std::numeric_limits<double>::infinity();
}

std::vector<GroupNoise> group_noise(const Network& network, const CalibrationTable* table,
                                    const BuildOptions& options, BatchSource& source,
                                    const CalibrationOptions& calibration, int64_t samples) {
  check(samples > 0, ErrorCode::kInvalidArgument,
        "noise: {} samples were asked for; ask for at least one", samples);
  BuildOptions quiet = options;  // build() tells the same
  quiet.log = nullptr;
  const CopiedNetwork copied = with_int8_copies(
      label_graph(network, table, {.build = quiet, .keep_tensors = false, .preprocess = ""}));
  if (copied.copies.empty()) return {};
  const ThreadCountScope threads(calibration.threads);
  ChunkReader reader(network, source, calibration);
  reader.rewind();
  const int64_t all = source.size() >= 0 ? std::min(samples, source.size()) : samples;
  NoiseMeter meter(copied, calibration.progress ? calibration.progress : options.progress,
                   (all + reader.batch() - 1) / reader.batch());
  measure_all(meter, reader, samples);
  if (meter.plan().measured.empty()) {
    if (options.log) {
      options.log(LogLevel::kInfo,
                  fmt::format("noise cannot be measured: network '{}' has no float output, nor "
                              "float tensors before outputs whose shape hangs on values",
                              network.name()));
    }
    return {};
  }
  tell_late(copied, meter.plan(), options.log);
  return entries(copied, meter);
}

}  // namespace octile
