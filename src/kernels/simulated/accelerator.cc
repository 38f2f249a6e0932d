// A stream is a thread that does one thing after the other. Addresses of device memory are marked,
// so that the host's reading or writing it is a fault here as it would be there.
#include "kernels/simulated/accelerator.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"

namespace octile {
namespace {

using Work = std::function<void()>;
using Recording = std::vector<Work>;
/// What a DeviceGraph points to; a stream that runs it shares it.
using SharedRecording = std::shared_ptr<const Recording>;

/// No address of the host has this bit, and none that has it can be followed: it is above what
/// x86-64 and AArch64 address, and below the byte that AArch64 ignores.
constexpr uintptr_t kDeviceBit = uintptr_t{1} << 54;
constexpr size_t kAlignment = 256;

bool is_marked(const void* address) {
  return (reinterpret_cast<uintptr_t>(address) & kDeviceBit) != 0;
}
template <typename T>
T* unmarked(T* address) {
  return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(address) & ~kDeviceBit);
}

void* allocate_for(size_t bytes) {
  void* data = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  check(data != nullptr, ErrorCode::kDevice, "cuda:0: out of memory allocating {} bytes", bytes);
  return data;
}

class SimulatedStream {
 public:
  SimulatedStream() : thread_([this] { work(); }) {}
  /// What it was given is done first.
  ~SimulatedStream() {
    {
      const std::scoped_lock lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  SimulatedStream(const SimulatedStream&) = delete;
  SimulatedStream& operator=(const SimulatedStream&) = delete;

  void give(Work work) {
    if (recording_ != nullptr) return recording_->push_back(std::move(work));
    {
      const std::scoped_lock lock(mutex_);
      queue_.push_back(std::move(work));
    }
    changed_.notify_all();
  }
  void wait() {
    check(recording_ == nullptr, ErrorCode::kInternal,
          "a stream that records cannot be waited for");
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
  }
  bool records() const { return recording_ != nullptr; }
  void begin_recording() { recording_ = std::make_unique<Recording>(); }
  Recording end_recording() { return std::move(*std::exchange(recording_, nullptr)); }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ends_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const Work next = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
      lock.unlock();
      next();
      lock.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;
  bool busy_ = false, ends_ = false;
  std::unique_ptr<Recording> recording_;  // of the thread that began it
  std::thread thread_;                    // last: it uses the others
};

/// A time that was or will be reached: record() counts up what is wanted, the stream what is there.
class SimulatedEvent {
 public:
  using Clock = std::chrono::steady_clock;
  uint64_t want() {
    const std::scoped_lock lock(mutex_);
    return ++wanted_;
  }
  void reach(uint64_t ticket) {
    const std::scoped_lock lock(mutex_);
    reached_ = std::max(reached_, ticket);
    time_ = Clock::now();
    changed_.notify_all();
  }
  uint64_t wanted() {
    const std::scoped_lock lock(mutex_);
    return wanted_;
  }
  void wait(uint64_t ticket) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reached_ >= ticket; });
  }
  Clock::time_point time() {
    const std::scoped_lock lock(mutex_);
    check(reached_ == wanted_ && wanted_ > 0, ErrorCode::kInternal, "an event was not reached yet");
    return time_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t wanted_ = 0, reached_ = 0;
  Clock::time_point time_;
};
using SharedEvent = std::shared_ptr<SimulatedEvent>;

uint32_t key_of(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x + 0.0f);
  return bits ^ ((bits >> 31) != 0 ? 0xffffffffu : 0x80000000u);
}

/// Counts x where it is no number; else it is the caller's.
template <typename Found>
bool is_number(float x, Found& found) {
  if (std::isnan(x)) {
    ++found.nan;
  } else if (std::isinf(x)) {
    ++found.infinite;
  } else {
    ++found.finite;
    if (x == 0.0f) ++found.zeros;
    return true;
  }
  return false;
}

class SimulatedAccelerator final : public Accelerator {
 public:
  const std::string& name() const override { return name_; }
  const std::string& id() const override { return id_; }
  int multiprocessors() const override { return 1; }
  void make_current() const override {}

  void* allocate(size_t bytes) const override {
    return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(allocate_for(bytes)) | kDeviceBit);
  }
  /// Does not wait for streams, which cudaFree() may or may not: what is in use is a fault here.
  void release(void* device) const noexcept override { std::free(unmarked(device)); }
  void* allocate_pinned(size_t bytes) const override {
    void* data = allocate_for(bytes);
    const std::scoped_lock lock(mutex_);
    pinned_.emplace(static_cast<std::byte*>(data), bytes);
    return data;
  }
  void release_pinned(void* host) const noexcept override {
    {
      const std::scoped_lock lock(mutex_);
      pinned_.erase(static_cast<std::byte*>(host));
    }
    std::free(host);
  }
  bool is_device_memory(const void* address) const override { return is_marked(address); }

  /// Memory of the host that is not pinned is read before this returns, and written as well.
  void copy(void* to, const void* from, size_t bytes, Stream stream) const override {
    SimulatedStream& s = of(stream);
    const bool at_once = !s.records();
    if (at_once && is_pageable(from)) {
      const auto* first = static_cast<const std::byte*>(from);
      s.give([to, bytes, staged = std::vector<std::byte>(first, first + bytes)] {
        std::memcpy(unmarked(to), staged.data(), bytes);
      });
    } else {
      s.give([to, from, bytes] { std::memcpy(unmarked(to), unmarked(from), bytes); });
    }
    if (at_once && is_pageable(to)) s.wait();
  }
  void fill(void* to, int byte, size_t bytes, Stream stream) const override {
    of(stream).give([to, byte, bytes] { std::memset(unmarked(to), byte, bytes); });
  }

  Stream make_stream() const override { return new SimulatedStream; }
  void release_stream(Stream stream) const noexcept override {
    delete static_cast<SimulatedStream*>(stream);
  }
  std::string wait(Stream stream) const override {
    of(stream).wait();
    return "";
  }
  std::string launch_failure() const override { return ""; }

  DeviceEvent make_event() const override {
    return new SharedEvent(std::make_shared<SimulatedEvent>());
  }
  void release_event(DeviceEvent event) const noexcept override {
    delete static_cast<SharedEvent*>(event);
  }
  void record(DeviceEvent event, Stream stream) const override {
    check(!of(stream).records(), ErrorCode::kInternal, "events are not recorded in graphs here");
    const SharedEvent e = *static_cast<SharedEvent*>(event);
    of(stream).give([e, ticket = e->want()] { e->reach(ticket); });
  }
  void wait_event(Stream stream, DeviceEvent event) const override {
    const SharedEvent e = *static_cast<SharedEvent*>(event);
    of(stream).give([e, ticket = e->wanted()] { e->wait(ticket); });
  }
  std::string wait_for(DeviceEvent event) const override {
    const SharedEvent e = *static_cast<SharedEvent*>(event);
    e->wait(e->wanted());
    return "";
  }
  double nanoseconds(DeviceEvent begin, DeviceEvent end) const override {
    const std::chrono::duration<double, std::nano> between =
        (*static_cast<SharedEvent*>(end))->time() - (*static_cast<SharedEvent*>(begin))->time();
    return between.count();
  }

  void begin_capture(Stream stream) const override { of(stream).begin_recording(); }
  DeviceGraph end_capture(Stream stream) const override {
    return new SharedRecording(std::make_shared<Recording>(of(stream).end_recording()));
  }
  void launch(DeviceGraph graph, Stream stream) const override {
    of(stream).give([recording = *static_cast<SharedRecording*>(graph)] {
      for (const Work& work : *recording) work();
    });
  }
  void release_graph(DeviceGraph graph) const noexcept override {
    delete static_cast<SharedRecording*>(graph);
  }

  void add_to_range(const float* values, size_t count, DeviceRange* range,
                    Stream stream) const override {
    of(stream).give([values = unmarked(values), count, range = unmarked(range)] {
      for (size_t i = 0; i < count; ++i) {
        if (!is_number(values[i], *range)) continue;
        range->low = std::min(range->low, key_of(values[i]));
        range->high = std::max(range->high, key_of(values[i]));
      }
    });
  }
  void add_to_bins(const float* values, size_t count, float prescale, float bins_per_unit,
                   DeviceBins* bins, Stream stream) const override {
    of(stream).give([=, values = unmarked(values), bins = unmarked(bins)] {
      for (size_t i = 0; i < count; ++i) {
        if (!is_number(values[i], *bins)) continue;
        const float scaled = std::fabs(values[i]) * prescale * bins_per_unit;
        const int bin =
            scaled >= float{DeviceBins::kBins} ? DeviceBins::kBins - 1 : static_cast<int>(scaled);
        ++bins->bins[values[i] < 0.0f ? DeviceBins::kBins + bin : bin];
      }
    });
  }

  void call_on_host(Stream stream, void (*function)(void*), void* argument) const override {
    of(stream).give([function, argument] { function(argument); });
  }

 private:
  SimulatedStream& of(Stream stream) const {
    return stream != nullptr ? *static_cast<SimulatedStream*>(stream) : default_;
  }
  bool is_pageable(const void* address) const {
    if (is_marked(address)) return false;
    const std::scoped_lock lock(mutex_);
    const auto* at = static_cast<const std::byte*>(address);
    const auto behind = pinned_.upper_bound(const_cast<std::byte*>(at));
    if (behind == pinned_.begin()) return true;
    const auto& [begin, bytes] = *std::prev(behind);
    return at >= begin + bytes;
  }

  std::string name_ = "simulated GPU", id_ = "cuda:0";
  mutable std::mutex mutex_;
  mutable std::map<std::byte*, size_t> pinned_;
  mutable SimulatedStream default_;
};

}  // namespace

const Accelerator& simulated_accelerator() {
  static const auto& accelerator = *new SimulatedAccelerator;  // never destroyed, as is promised
  return accelerator;
}

}  // namespace octile
