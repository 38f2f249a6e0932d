// See step_clock.h.
#include "runtime/step_clock.h"

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
  size_t step;
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
  auto chain = impl.current->chains.begin();
  for (size_t s = 0; s < impl.current->steps.size(); ++s) {
    if (chain != impl.current->chains.end() && chain->first == s) {
      const FoundChain& found = *chain++;
      if (!impl.overwrites_itself(found)) {
        add(s, [&impl, &found, stream] { impl.enqueue_chain(found, stream); });
        s += found.count - 1;
        continue;
      }
    }
    if (impl.current->steps[s] == nullptr) continue;
    add(s, [&impl, s, stream] { impl.enqueue_step(s, stream); });
  }
}

StepClock::~StepClock() = default;

/// A few times tell how often a sample repeats it.
void StepClock::add(size_t step, const std::function<void()>& enqueue) {
  ExecutionContext::Impl& impl = *context_.impl_;
  const Accelerator& device = impl.gpu->device;
  const Stream stream = impl.gpu->stream.get();
  const auto wait = [&] {
    const std::string failure = device.wait(stream);
    check(failure.empty(), ErrorCode::kDevice, "{}: step '{}' failed: {}", device.id(),
          impl.engine.data.steps[step].name, failure);
  };
  const RepeatClock few(device, stream, enqueue, kFewTimes);
  few.start();
  wait();
  const double wanted = std::ceil(kSampleNs / std::max(few.nanoseconds(), 1.0));
  const int times = int(std::clamp<double>(wanted, 1, kMostTimes));
  timed_.push_back({step, std::make_unique<RepeatClock>(device, stream, enqueue, times)});
  wait();
}

std::vector<double> StepClock::sample() {
  ExecutionContext::Impl& impl = *context_.impl_;
  const Accelerator& device = impl.gpu->device;
  device.make_current();
  const ThreadCountScope threads(impl.engine.host.threads);
  for (const Timed& t : timed_) t.clock->start();
  const std::string failure = device.wait(impl.gpu->stream.get());
  check(failure.empty(), ErrorCode::kDevice, "{}: plan '{}' failed while its steps were timed: {}",
        device.id(), impl.engine.data.name, failure);
  for (RunsOnHost* step : impl.current->host_steps) (void)step->take_failure();  // of such values
  std::vector<double> times(impl.current->steps.size(), 0.0);
  for (const Timed& t : timed_) times[t.step] = t.clock->nanoseconds();
  return times;
}

}  // namespace octile
