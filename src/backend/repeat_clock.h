// Records what a stream of a GPU is given, and times it without what the host's calls and an event
// take.
#pragma once

#include <functional>
#include <memory>

#include "backend/accelerator.h"

namespace octile {

/// What `work` gives to the stream, recorded; null where something in it refuses (throws Error) or
/// cannot be recorded.
DeviceGraph recorded(const Accelerator& accelerator, Stream stream,
                     const std::function<void()>& work);

/// The same work some times in a row, recorded as a graph where that can be, between two events.
/// Not thread-safe.
class RepeatClock {
 public:
  /// `enqueue` gives the work to the stream once; it is called here and, where the work cannot be
  /// recorded, by start(). Work that does something once a process has done it before.
  RepeatClock(const Accelerator& accelerator, Stream stream, std::function<void()> enqueue,
              int times);
  int times() const { return times_; }
  /// Gives all of it to the stream.
  void start() const;
  /// Of doing it once. REQUIRES: the stream has come to the end of what start() gave it.
  double nanoseconds() const { return accelerator_.nanoseconds(begin_.get(), end_.get()) / times_; }

 private:
  const Accelerator& accelerator_;
  Stream stream_;
  std::function<void()> enqueue_;
  int times_;
  OwnedEvent begin_, end_;
  std::unique_ptr<void, std::function<void(DeviceGraph)>> graph_;  // of all times
};

}  // namespace octile
