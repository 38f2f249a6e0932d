// See repeat_clock.h.
#include "backend/repeat_clock.h"

#include <utility>

#include "base/error.h"

namespace octile {

DeviceGraph recorded(const Accelerator& accelerator, Stream stream,
                     const std::function<void()>& work) {
  accelerator.begin_capture(stream);
  const auto give_up = [&] {
    if (const DeviceGraph graph = accelerator.end_capture(stream)) accelerator.release_graph(graph);
  };
  try {
    work();
  } catch (const Error&) {
    give_up();
    return nullptr;
  } catch (...) {
    give_up();
    throw;
  }
  return accelerator.end_capture(stream);
}

RepeatClock::RepeatClock(const Accelerator& accelerator, Stream stream,
                         std::function<void()> enqueue, int times)
    : accelerator_(accelerator),
      stream_(stream),
      enqueue_(std::move(enqueue)),
      times_(times),
      begin_(accelerator),
      end_(accelerator),
      graph_(nullptr, [&accelerator](DeviceGraph graph) { accelerator.release_graph(graph); }) {
  graph_.reset(recorded(accelerator_, stream_, [this] {
    for (int i = 0; i < times_; ++i) enqueue_();
  }));
  if (graph_ != nullptr) accelerator_.launch(graph_.get(), stream_);  // the first one uploads it
}

void RepeatClock::start() const {
  accelerator_.record(begin_.get(), stream_);
  if (graph_ != nullptr) {
    accelerator_.launch(graph_.get(), stream_);
  } else {
    for (int i = 0; i < times_; ++i) enqueue_();
  }
  accelerator_.record(end_.get(), stream_);
}

}  // namespace octile
