// See step_clock.h.
#include "runtime/step_clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel_for.h"
#include "runtime/context_impl.h"

namespace octile {
namespace {

constexpr double kSampleNs = 2e5;  // of one step's runs in a row
constexpr int kFewTimes = 4, kMostTimes = 64;

}  // namespace

struct StepClock::Timed {
  size_t first, count;  // steps
  std::unique_ptr<RepeatClock> clock;
};

StepClock::StepClock(ExecutionContext& context) : context_(context) {
  ExecutionContext::Impl& impl = *context.impl_;
  check(impl.gpu != nullptr, ErrorCode::kInternal, "steps are timed so on a GPU only");
  impl.require_ready();
  impl.wait_for_device();
  impl.gpu->device.make_current();
  if (!impl.pointers_valid) impl.resolve_pointers();
  const ThreadCountScope threads(impl.engine.host.threads);
  const Stream stream = impl.gpu->stream.get();
  for (size_t s = 0; s < impl.current->steps.size(); ++s) {
    if (impl.current->steps[s] == nullptr) continue;
    steps_.push_back(timed(s, 1, [&impl, s, stream] {
      impl.enqueue_step(s, stream);
      const std::string failure = impl.gpu->device.launch_failure();
      check(failure.empty(), ErrorCode::kDevice, "step '{}' cannot start: {}",
            impl.engine.data.steps[s].name, failure);
    }));
    if (const FoundChain* chain = impl.chain_at(s)) {
      chains_.push_back(
          timed(s, chain->count, [&impl, chain, stream] { impl.enqueue_chain(*chain, stream); }));
    }
  }
}

StepClock::~StepClock() = default;

size_t StepClock::chain_count() const { return chains_.size(); }

/// A few times tell how often a sample repeats it.
StepClock::Timed StepClock::timed(size_t first, size_t count,
                                  const std::function<void()>& enqueue) const {
  const ExecutionContext::Impl& impl = *context_.impl_;
  const Accelerator& device = impl.gpu->device;
  const Stream stream = impl.gpu->stream.get();
  const std::string name = fmt::format("step '{}'", impl.engine.data.steps[first].name);
  const RepeatClock few(device, stream, enqueue, kFewTimes);
  few.start();
  wait(name);
  const double wanted = std::ceil(kSampleNs / std::max(few.nanoseconds(), 1.0));
  const int times = int(std::clamp<double>(wanted, 1, kMostTimes));
  Timed made{first, count, std::make_unique<RepeatClock>(device, stream, enqueue, times)};
  wait(name);
  return made;
}

/// What steps on the host object to is not told: tensors hold anything.
void StepClock::wait(const std::string& what) const {
  const ExecutionContext::Impl& impl = *context_.impl_;
  const std::string failure = impl.gpu->device.wait(impl.gpu->stream.get());
  for (RunsOnHost* step : impl.current->host_steps) (void)step->take_failure();
  check(failure.empty(), ErrorCode::kDevice, "{}: {} failed while it was timed: {}",
        impl.gpu->device.id(), what, failure);
}

void StepClock::add_late_steps(std::vector<double>& times) const {
  ExecutionContext::Impl& impl = *context_.impl_;
  impl.profiler = [&](int step, int64_t ns) {
    if (impl.engine.is_late(impl.engine.data.steps[size_t(step)])) times[size_t(step)] = double(ns);
  };
  try {
    impl.run();
  } catch (...) {
    impl.profiler = {};
    throw;
  }
  impl.profiler = {};
}

std::vector<double> StepClock::sample() {
  ExecutionContext::Impl& impl = *context_.impl_;
  impl.gpu->device.make_current();
  const ThreadCountScope threads(impl.engine.host.threads);
  for (const auto* list : {&steps_, &chains_}) {
    for (const Timed& t : *list) t.clock->start();
  }
  wait(fmt::format("plan '{}'", impl.engine.data.name));
  std::vector<double> times(impl.current->steps.size(), 0.0);
  for (const Timed& t : steps_) times[t.first] = t.clock->nanoseconds();
  for (const Timed& t : chains_) {
    double apart = 0.0;
    for (size_t s = t.first; s < t.first + t.count; ++s) apart += times[s];
    for (size_t s = t.first; s < t.first + t.count && apart > 0.0; ++s) {
      times[s] *= t.clock->nanoseconds() / apart;
    }
  }
  if (impl.engine.any_late) add_late_steps(times);
  return times;
}

}  // namespace octile
