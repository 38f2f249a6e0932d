// See repeat_clock.h.
#include "backend/repeat_clock.h"

#include <utility>

#include "base/error.h"

namespace octile {
namespace {

/// Null where it refuses.
DeviceGraph recorded(const Accelerator& accelerator, Stream stream, const auto& enqueue_all) {
  accelerator.begin_capture(stream);
  try {
    enqueue_all();
  } catch (const Error&) {
    if (const DeviceGraph graph = accelerator.end_capture(stream)) accelerator.release_graph(graph);
    return nullptr;
  }
  return accelerator.end_capture(stream);
}

}  // namespace

RepeatClock::RepeatClock(const Accelerator& accelerator, Stream stream,
                         std::function<void()> enqueue, int times)
    : accelerator_(accelerator), stream_(stream), enqueue_(std::move(enqueue)), times_(times) {
  graph_ = recorded(accelerator_, stream_, [&] {
    for (int i = 0; i < times_; ++i) enqueue_();
  });
  begin_ = accelerator_.make_event(), end_ = accelerator_.make_event();
  if (graph_ != nullptr) accelerator_.launch(graph_, stream_);  // the first launch uploads it
}

RepeatClock::~RepeatClock() {
  accelerator_.release_event(begin_);
  accelerator_.release_event(end_);
  if (graph_ != nullptr) accelerator_.release_graph(graph_);
}

void RepeatClock::start() const {
  accelerator_.record(begin_, stream_);
  if (graph_ != nullptr) {
    accelerator_.launch(graph_, stream_);
  } else {
    for (int i = 0; i < times_; ++i) enqueue_();
  }
  accelerator_.record(end_, stream_);
}

}  // namespace octile
