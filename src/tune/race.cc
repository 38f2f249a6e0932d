// See race.h.
#include "tune/race.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <thread>

#include "backend/accelerator.h"
#include "backend/backend.h"
#include "backend/repeat_clock.h"
#include "backend/step_runner.h"
#include "base/error.h"
#include "base/parallel_for.h"
#include "octile/engine.h"
#include "runtime/step_clock.h"

namespace octile {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRoundNs = 1e6;    // runs of one plan in a round, at least one
constexpr double kBudgetNs = 6e8;   // of one plan, aimed at
constexpr double kCachedNs = 50e6;  // what longer runs take does not hang on what caches held
constexpr int kMinRounds = 4, kMaxRounds = 30;
constexpr int kEmptyRuns = 200;

Tensor with_zero_bytes(DataType type, const Shape& shape) {
  const bool bytes = type == DataType::kInt8 || type == DataType::kUInt8;
  return bytes ? Tensor(type, shape) : made_up_values(type, shape);
}

double nanoseconds_of(const auto& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

/// What a plan has done so far.
struct Rounds {
  int done = 0;
  double ns = 0.0;
  bool over() const { return !takes_another_round(done, ns); }
  /// How many it will be, for who waits.
  int expected() const {
    if (over()) return done;
    const double of_budget = std::ceil(kBudgetNs * done / std::max(ns, 1.0));
    return std::max(done + 1, int(std::clamp<double>(of_budget, kMinRounds, kMaxRounds)));
  }
};

}  // namespace

Tensor made_up_values(DataType type, const Shape& shape) {
  if (type == DataType::kInt8 || type == DataType::kUInt8) {
    Tensor bytes(type, shape);
    fill_varied(bytes);
    return bytes;
  }
  Tensor values(DataType::kFloat32, shape);
  for (int64_t i = 0; i < values.volume(); ++i) {
    values.as<float>()[i] = float((i * 2654435761) % 1024) / 1024.0f;
  }
  return values.cast(type);
}

bool takes_another_round(int done, double ns) {
  return done < kMaxRounds && (done < kMinRounds || ns < kBudgetNs);
}

Timing timing_of(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  const size_t n = samples.size();
  const double lower = samples[n / 4];
  return {lower, lower > 0.0 ? (samples[n - 1 - n / 4] - lower) / lower : 0.0};
}

namespace {

int streams_of(const BuildOptions& options) {
  if (options.objective != Objective::kThroughput) return 1;
  const ThreadCountScope threads(options.threads);
  return thread_count();
}

}  // namespace

double empty_run_ns(const BuildOptions& options) {
  const DeviceName where = device_from_name(options.device);
  const Device device = where.backend->open(options.isa, options.threads, where.ordinal);
  const Accelerator* gpu = device.accelerator;
  gpu->make_current();
  const OwnedStream stream(*gpu);
  const Memory word(gpu, sizeof(int32_t));
  const auto filled = [&] { gpu->fill(word.data(), 0, word.bytes(), stream.get()); };
  const auto run_of = [&](int fills) {
    const RepeatClock clock(*gpu, stream.get(), filled, fills);
    std::vector<double> samples;
    for (int i = 0; i < kEmptyRuns; ++i) {
      samples.push_back(nanoseconds_of([&] {
        clock.start();
        const std::string failure = gpu->wait(stream.get());
        check(failure.empty(), ErrorCode::kDevice, "{}: {}", gpu->id(), failure);
      }));
    }
    return timing_of(std::move(samples)).ns;
  };
  const double one = run_of(1), two = run_of(2);  // the second fill is a step
  return std::max(0.0, 2.0 * one - two) / streams_of(options);
}

/// One plan, loaded, with a context a stream.
class Race::Lane {
 public:
  Lane(std::shared_ptr<const PlanData> plan, const BuildOptions& options)
      : engine_(Engine::load(Plan(std::move(plan)), engine_options(options))) {
    const DeviceName where = device_from_name(options.device);
    const Device device = where.backend->open(options.isa, options.threads, where.ordinal);
    for (int i = 0; i < streams_of(options); ++i) {
      contexts_.push_back(engine_.create_context());
    }
    first_runs(device.accelerator);
    on_gpu_ = device.accelerator != nullptr;
    const double once = run(1);
    runs_ = std::max(1, int(kRoundNs / once));
    hangs_on_caches_ = once < kCachedNs;
  }

  size_t step_count() const { return engine_.plan().data().steps.size(); }

  /// `times` runs in every stream; nanoseconds of one run (of all of them together, by streams).
  double run(int times) {
    const auto all = [&](ExecutionContext& context) {
      for (int i = 0; i < times; ++i) context.run();
    };
    const double ns = nanoseconds_of([&] { on_all(all); });
    return ns / double(times) / double(contexts_.size());
  }

  /// Before a round: brings the weights back that other plans drove out of the caches.
  void warm_up() {
    if (hangs_on_caches_) run(1);
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

  /// Adds the times of the first stream's steps over one round; a CPU's by streams, as those of
  /// whole runs. (A GPU's kernels fill it, whatever stream they are from.)
  void profile(std::vector<std::vector<double>>& samples) {
    if (on_gpu_) {
      if (clock_ == nullptr) clock_ = std::make_unique<StepClock>(contexts_[0]);
      const std::vector<double> once = clock_->sample();
      for (size_t s = 0; s < once.size(); ++s) samples[s].push_back(once[s]);
      return;
    }
    const auto streams = double(contexts_.size());
    contexts_[0].set_profiler(
        [&](int step, int64_t ns) { samples[size_t(step)].push_back(double(ns) / streams); });
    run(runs_);
    contexts_[0].set_profiler({});
  }

 private:
  using Values = Tensor (*)(DataType type, const Shape& shape);

  /// A GPU's inputs and outputs lie in its memory, so that copies to and from the host do not
  /// count.
  void bind(ExecutionContext& context, const Accelerator* accelerator, Values values) {
    for (const Binding& b : engine_.bindings()) {
      if (!b.is_input) continue;
      const Tensor value = values(b.type, engine_.opt_shape(b.name, 0));
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

  /// On a GPU the second one records the graph. Bytes may index a table as well, which holds a 0.
  void first_runs(const Accelerator* accelerator) {
    for (const Values values : {made_up_values, with_zero_bytes}) {
      try {
        memory_.clear();
        for (ExecutionContext& context : contexts_) bind(context, accelerator, values);
        for (int i = 0; i < (accelerator != nullptr ? 2 : 1); ++i) run(1);
        return;
      } catch (const Error& error) {
        if (error.code() == ErrorCode::kDevice) throw;
        if (values == with_zero_bytes) throw CannotTime(error.code(), error.what());
      }
    }
  }

  static EngineOptions engine_options(const BuildOptions& options) {
    const bool one = options.objective == Objective::kThroughput;
    return {.device = options.device, .isa = options.isa, .threads = one ? 1 : options.threads};
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
  std::unique_ptr<StepClock> clock_;
  int runs_ = 1;
  bool on_gpu_ = false;
  bool hangs_on_caches_ = true;
};

Race::Race(const BuildOptions& options) : options_(options) {}
Race::~Race() = default;

void Race::add(std::shared_ptr<const PlanData> plan) {
  lanes_.push_back(std::make_unique<Lane>(std::move(plan), options_));
}

void Race::rounds(std::string_view phase, const std::function<void(size_t lane)>& watched) {
  std::vector<Rounds> of_lanes(lanes_.size());
  const auto over = [](const Rounds& rounds) { return rounds.over(); };
  for (int round = 1; !std::ranges::all_of(of_lanes, over); ++round) {
    int expected = round;
    for (size_t i = 0; i < lanes_.size(); ++i) {
      if (!of_lanes[i].over()) {
        of_lanes[i].ns += nanoseconds_of([&] {
          lanes_[i]->warm_up();
          watched(i);
        });
        ++of_lanes[i].done;
      }
      expected = std::max(expected, of_lanes[i].expected());
    }
    if (options_.progress) options_.progress(phase, round, expected);
  }
}

std::vector<Timing> Race::whole_runs() {
  std::vector<std::vector<double>> samples(lanes_.size());
  rounds("time engines", [&](size_t i) { lanes_[i]->sample(samples[i]); });
  std::vector<Timing> result;
  for (auto& list : samples) result.push_back(timing_of(std::move(list)));
  return result;
}

std::vector<std::vector<Timing>> Race::steps() {
  std::vector<std::vector<std::vector<double>>> samples;
  for (const auto& lane : lanes_) samples.emplace_back(lane->step_count());
  rounds("time layers", [&](size_t i) { lanes_[i]->profile(samples[i]); });
  std::vector<std::vector<Timing>> result;
  for (auto& of_lane : samples) {
    std::vector<Timing>& timings = result.emplace_back();
    for (auto& list : of_lane) timings.push_back(timing_of(std::move(list)));
  }
  return result;
}

}  // namespace octile
