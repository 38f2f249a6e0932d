// The memory of the CPU "device": each allocation is a mapping of its own with a guard page behind
// it, freed ranges stay reserved for a while. So a wrong pointer gets an error, not a crash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace octile::python {

/// What was asked for; a pinned range is freed by cudaFreeHost, the others by cudaFree.
enum class MemoryKind : uint8_t { kDevice, kManaged, kPinned };
std::string_view name_of(MemoryKind kind);

/// All allocations of this process. Every member is safe to call from any thread.
class DeviceMemory {
 public:
  /// The one object; it is never destroyed, so that objects may free theirs at exit in any order.
  static DeviceMemory& get();

  class Use;

  /// The address of `bytes` zeroed bytes, aligned to a page; 0 for 0 bytes. Throws std::bad_alloc
  /// when the machine's memory does not hold them beside what is live.
  uintptr_t allocate(size_t bytes, MemoryKind kind);
  /// Gives an allocation back; 0 is ignored. Throws kInvalidArgument for any address but the first
  /// of a live allocation, and when `pinned` is not how it was made. Ranges that a Use holds keep
  /// their pages until it ends.
  void release(uintptr_t address, bool pinned, std::string_view what);
  /// release() that returns false where that throws.
  bool try_release(uintptr_t address, bool pinned);
  /// Checks that `bytes` bytes from `address` lie in one live allocation or in mapped memory of
  /// the process (readable, and writable if `write`); holds them. `what` opens the error's text.
  Use use(uintptr_t address, size_t bytes, std::string_view what, bool write);

  struct Found {
    uintptr_t base = 0;
    size_t bytes = 0;
    std::string state;  // "device", "managed", "pinned", "freed", "host" or "unknown"
  };
  Found find(uintptr_t address);

  size_t live_count();
  size_t live_bytes();
  /// Bytes of memory that allocations may take together.
  size_t total_bytes() const { return total_; }

 private:
  struct Range {
    uintptr_t base = 0;
    size_t bytes = 0;     // as asked for
    size_t reserved = 0;  // with the rest of the last page and a guard page
    MemoryKind kind = MemoryKind::kDevice;
    bool freed = false;
    int users = 0;
  };

  DeviceMemory();
  Range* range_at(uintptr_t address);
  void free_range(Range& range);
  void retire(Range& range);
  void trim();
  void end_use(uintptr_t base);

  const size_t page_;
  const size_t total_;
  std::mutex mutex_;
  std::map<uintptr_t, Range> ranges_;  // by base; live ones and freed ones still reserved
  std::deque<uintptr_t> retired_;      // freed bases, oldest first
  size_t retired_bytes_ = 0;
  size_t live_count_ = 0;
  size_t live_bytes_ = 0;
};

/// Holds checked bytes: their pages stay until it is destroyed, even when another thread frees.
class DeviceMemory::Use {
 public:
  Use(Use&& other) noexcept;
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  Use& operator=(Use&&) = delete;
  ~Use();

  std::byte* data() const { return data_; }
  /// The part of the check that may take long (it touches host pages): call it without the GIL
  /// and before using data(). Throws kInvalidArgument.
  void touch() const;

 private:
  friend class DeviceMemory;
  Use() = default;

  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  std::string what_;
  bool write_ = false;
  std::optional<uintptr_t> base_;  // of the allocation; none for host memory
};

}  // namespace octile::python
