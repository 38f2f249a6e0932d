// See race.h.
#include "tune/race.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

#include "backend/accelerator.h"
#include "backend/backend.h"
#include "base/parallel_for.h"
#include "octile/engine.h"

namespace octile {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRoundNs = 1e6;   // runs of one plan in a round, at least one
constexpr double kBudgetNs = 1e9;  // of one plan, aimed at
constexpr int kMinRounds = 5, kMaxRounds = 30;

/// Smooth, varied, deterministic values in [0, 1]; integers are all 0, which any table holds.
Tensor smooth_values(DataType type, const Shape& shape) {
  Tensor values(DataType::kFloat32, shape);
  for (int64_t i = 0; i < values.volume(); ++i) {
    values.as<float>()[i] = float((i * 2654435761) % 1024) / 1024.0f;
  }
  return values.cast(type);
}

double nanoseconds_of(const auto& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

int rounds_for(double one_round_ns) {
  return std::clamp(int(kBudgetNs / std::max(one_round_ns, kRoundNs)), kMinRounds, kMaxRounds);
}

}  // namespace

Timing timing_of(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  const size_t n = samples.size();
  const double lower = samples[n / 4];
  return {lower, lower > 0.0 ? (samples[n - 1 - n / 4] - lower) / lower : 0.0};
}

/// One plan, loaded, with a context a stream.
class Race::Lane {
 public:
  Lane(std::shared_ptr<const PlanData> plan, const BuildOptions& options)
      : engine_(Engine::load(Plan(std::move(plan)), engine_options(options))) {
    const DeviceName where = device_from_name(options.device);
    const Device device = where.backend->open(options.isa, options.threads, where.ordinal);
    for (int i = 0; i < streams(options); ++i) {
      contexts_.push_back(engine_.create_context());
      bind(contexts_.back(), device.accelerator);
    }
    first_runs();
    const double once = run(1);
    runs_ = std::max(1, int(kRoundNs / once));
    once_ns_ = once;
  }

  double round_ns() const { return once_ns_ * runs_; }
  size_t step_count() const { return engine_.plan().data().steps.size(); }

  /// `times` runs in every stream; nanoseconds of one run (of all of them together, by streams).
  double run(int times) {
    const auto all = [&](ExecutionContext& context) {
      for (int i = 0; i < times; ++i) context.run();
    };
    const double ns = nanoseconds_of([&] { on_all(all); });
    return ns / double(times) / double(contexts_.size());
  }

  /// One round: each run by itself, so that one that another process interrupted does not count;
  /// streams run together, and count as a whole.
  void sample(std::vector<double>& samples) {
    if (contexts_.size() > 1) {
      samples.push_back(run(runs_));
      return;
    }
    for (int i = 0; i < runs_; ++i) {
      samples.push_back(nanoseconds_of([&] { contexts_[0].run(); }));
    }
  }

  /// Adds the times of the first stream's steps over one round, by streams as those of whole runs.
  void profile(std::vector<std::vector<double>>& samples) {
    const auto streams = double(contexts_.size());
    contexts_[0].set_profiler(
        [&](int step, int64_t ns) { samples[size_t(step)].push_back(double(ns) / streams); });
    run(runs_);
    contexts_[0].set_profiler({});
  }

 private:
  /// A GPU's inputs and outputs lie in its memory, so that copies to and from the host do not
  /// count.
  void bind(ExecutionContext& context, const Accelerator* accelerator) {
    for (const Binding& b : engine_.bindings()) {
      if (!b.is_input) continue;
      const Tensor value = smooth_values(b.type, engine_.opt_shape(b.name, 0));
      if (accelerator == nullptr) {
        context.set_input(b.name, value);
        continue;
      }
      context.set_input_shape(b.name, value.shape());
      memory_.push_back(upload(accelerator, {value.as<std::byte>(), value.bytes()}));
      context.bind_input(b.name, memory_.back().data());
    }
    if (accelerator == nullptr) return;
    for (const Binding& b : engine_.bindings()) {
      if (b.is_input || b.from_values) continue;
      const size_t bytes = size_t(context.shape(b.name).volume()) * size_of(b.type);
      memory_.emplace_back(accelerator, std::max<size_t>(bytes, 1));
      context.bind_output(b.name, memory_.back().data());
    }
  }

  /// On a GPU the second one records the graph.
  void first_runs() {
    try {
      for (int i = 0; i < 2; ++i) run(1);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kDevice) throw;
      throw CannotTime(error.code(), error.what());
    }
  }

  static EngineOptions engine_options(const BuildOptions& options) {
    const bool one = options.objective == Objective::kThroughput;
    return {.device = options.device, .isa = options.isa, .threads = one ? 1 : options.threads};
  }

  static int streams(const BuildOptions& options) {
    if (options.objective != Objective::kThroughput) return 1;
    const ThreadCountScope threads(options.threads);
    return thread_count();
  }

  void on_all(const auto& work) {
    std::vector<std::thread> threads;
    std::vector<std::exception_ptr> errors(contexts_.size());
    const auto guarded = [&](size_t i) {
      try {
        work(contexts_[i]);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    };
    for (size_t i = 1; i < contexts_.size(); ++i) threads.emplace_back(guarded, i);
    guarded(0);
    for (std::thread& thread : threads) thread.join();
    for (const std::exception_ptr& error : errors) {
      if (error) std::rethrow_exception(error);
    }
  }

  Engine engine_;
  std::vector<Memory> memory_;  // before the contexts that use it
  std::vector<ExecutionContext> contexts_;
  int runs_ = 1;
  double once_ns_ = 0.0;
};

Race::Race(const BuildOptions& options) : options_(options) {}
Race::~Race() = default;

void Race::add(std::shared_ptr<const PlanData> plan) {
  lanes_.push_back(std::make_unique<Lane>(std::move(plan), options_));
}

std::vector<Timing> Race::whole_runs() {
  std::vector<std::vector<double>> samples(lanes_.size());
  std::vector<int> rounds;
  for (const auto& lane : lanes_) rounds.push_back(rounds_for(lane->round_ns()));
  for (int round = 0; round < kMaxRounds; ++round) {
    for (size_t i = 0; i < lanes_.size(); ++i) {
      if (round >= rounds[i]) continue;
      lanes_[i]->run(1);  // brings the weights back that the other plans drove out of the caches
      lanes_[i]->sample(samples[i]);
    }
  }
  std::vector<Timing> result;
  for (auto& list : samples) result.push_back(timing_of(std::move(list)));
  return result;
}

std::vector<std::vector<Timing>> Race::steps() {
  std::vector<std::vector<std::vector<double>>> samples;
  std::vector<int> rounds;
  for (const auto& lane : lanes_) {
    samples.emplace_back(lane->step_count());
    rounds.push_back(rounds_for(2 * lane->round_ns()));
  }
  for (int round = 0; round < kMaxRounds; ++round) {
    for (size_t i = 0; i < lanes_.size(); ++i) {
      if (round >= rounds[i]) continue;
      lanes_[i]->run(1);
      lanes_[i]->profile(samples[i]);
    }
  }
  std::vector<std::vector<Timing>> result;
  for (auto& of_lane : samples) {
    std::vector<Timing>& timings = result.emplace_back();
    for (auto& list : of_lane) timings.push_back(timing_of(std::move(list)));
  }
  return result;
}

}  // namespace octile
