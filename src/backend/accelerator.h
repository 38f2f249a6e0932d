// What a device with memory and threads of its own (a GPU) offers to whoever runs steps on it. The
// CPU has none of this: there a null Accelerator stands for "the host itself".
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>

namespace octile {

/// An order in which a device does things (a cudaStream_t). Null on the CPU.
using Stream = void*;
/// A point in such an order (a cudaEvent_t), and a recorded piece of one (a cudaGraphExec_t).
using DeviceEvent = void*;
using DeviceGraph = void*;

/// What a device keeps of the float values that it has seen (calibrate/histogram.h): counts, the
/// range as keys whose unsigned order is the floats' (value_key()), and bins of |x|, positive
/// first.
struct DeviceRange {
  uint32_t low = ~0u, high = 0;
  uint64_t finite = 0, nan = 0, infinite = 0, zeros = 0;
};
struct DeviceBins {
  static constexpr int kBins = 2048;  // a sign
  uint64_t finite = 0, nan = 0, infinite = 0, zeros = 0;
  uint64_t bins[2 * kBins] = {};
};

/// An Accelerator is one GPU. One object a GPU, made once a process, never destroyed; every method
/// may be called from any thread and makes the GPU that thread's current one. What fails throws
/// Error{kDevice} with the driver's words, and what to do.
class Accelerator {
 public:
  virtual ~Accelerator() = default;
  /// "NVIDIA H200", and "cuda:0".
  virtual const std::string& name() const = 0;
  virtual const std::string& id() const = 0;
  virtual int multiprocessors() const = 0;

  /// Makes the GPU this thread's current one, which launches of kernels need.
  virtual void make_current() const = 0;

  /// Device memory, 256-byte aligned; what is pinned lies on the host, where copies from and to the
  /// GPU do not wait.
  virtual void* allocate(size_t bytes) const = 0;
  virtual void release(void* device) const noexcept = 0;
  virtual void* allocate_pinned(size_t bytes) const = 0;
  virtual void release_pinned(void* host) const noexcept = 0;
  /// Memory of this GPU; false for host memory, pinned or not. Throws for another GPU's.
  virtual bool is_device_memory(const void* address) const = 0;
  /// Between any two kinds of memory, in the stream's order.
  virtual void copy(void* to, const void* from, size_t bytes, Stream stream) const = 0;
  virtual void fill(void* to, int byte, size_t bytes, Stream stream) const = 0;

  virtual Stream make_stream() const = 0;
  virtual void release_stream(Stream stream) const noexcept = 0;
  /// Waits for all that the stream was given. "" or what went wrong, now or before.
  virtual std::string wait(Stream stream) const = 0;
  /// "" or why the last launch was refused.
  virtual std::string launch_failure() const = 0;

  virtual DeviceEvent make_event() const = 0;
  virtual void release_event(DeviceEvent event) const noexcept = 0;
  virtual void record(DeviceEvent event, Stream stream) const = 0;
  virtual void wait_event(Stream stream, DeviceEvent event) const = 0;
  /// As wait(), until the stream has come to the event.
  virtual std::string wait_for(DeviceEvent event) const = 0;
  /// REQUIRES: both are reached.
  virtual double nanoseconds(DeviceEvent begin, DeviceEvent end) const = 0;

  /// What the stream is given between the two is recorded, not done; null when it cannot be.
  virtual void begin_capture(Stream stream) const = 0;
  virtual DeviceGraph end_capture(Stream stream) const = 0;
  virtual void launch(DeviceGraph graph, Stream stream) const = 0;
  virtual void release_graph(DeviceGraph graph) const noexcept = 0;

  /// Adds values to what `range` or `bins`, both in device memory, hold.
  virtual void add_to_range(const float* values, size_t count, DeviceRange* range,
                            Stream stream) const = 0;
  virtual void add_to_bins(const float* values, size_t count, float prescale, float bins_per_unit,
                           DeviceBins* bins, Stream stream) const = 0;

  /// Calls function(argument) on some thread of the host when the stream gets there. The function
  /// must not call the GPU and must not throw.
  virtual void call_on_host(Stream stream, void (*function)(void*), void* argument) const = 0;
};

/// Memory on a device or, where there is no accelerator, on the host; moves, is never copied.
class Memory {
 public:
  enum class Kind : uint8_t { kDevice, kPinned };
  Memory() = default;
  /// Host memory is zero-filled; a device's holds anything.
  Memory(const Accelerator* accelerator, size_t bytes, Kind kind = Kind::kDevice);
  ~Memory() { release(); }
  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    release();
    swap(other);
    return *this;
  }
  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  void release() noexcept;
  void swap(Memory& other) noexcept;

  const Accelerator* accelerator_ = nullptr;
  Kind kind_ = Kind::kDevice;
  size_t bytes_ = 0;
  std::byte* data_ = nullptr;
};

/// A copy of host bytes on the device, there when this returns.
Memory upload(const Accelerator* accelerator, std::span<const std::byte> bytes);

/// What an Accelerator makes and has to release, which ends with its owner.
template <void* (Accelerator::*kMake)() const, void (Accelerator::*kRelease)(void*) const noexcept>
class Owned {
 public:
  explicit Owned(const Accelerator& accelerator)
      : accelerator_(accelerator), made_((accelerator.*kMake)()) {}
  ~Owned() { (accelerator_.*kRelease)(made_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  void* get() const { return made_; }

 private:
  const Accelerator& accelerator_;
  void* made_;
};
using OwnedStream = Owned<&Accelerator::make_stream, &Accelerator::release_stream>;
using OwnedEvent = Owned<&Accelerator::make_event, &Accelerator::release_event>;

/// A Prepared that does its work on the host in between, where an exception cannot leave it.
class RunsOnHost {
 public:
  /// What went wrong since the last call, or null.
  virtual std::exception_ptr take_failure() = 0;

 protected:
  ~RunsOnHost() = default;
};

}  // namespace octile
