// Reservations, the quarantine of freed ranges, and how host pointers are told from wild ones.
#include "device_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <new>
#include <utility>

#include "base/error.h"

namespace octile::python {
namespace {

// Freed ranges hold address space only; beyond these bounds the oldest are forgotten.
constexpr size_t kMaxRetired = 4096;
constexpr size_t kMaxRetiredBytes = size_t{64} << 30;

// A guard page splits mappings, of which Linux gives a process 65530: later ones do without.
constexpr size_t kMaxGuarded = 8192;

constexpr int kPopulateRead = 22;  // MADV_POPULATE_READ and _WRITE, Linux 5.14
constexpr int kPopulateWrite = 23;

size_t page_size() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

size_t physical_bytes() { return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * page_size(); }

void* pointer(uintptr_t address) { return reinterpret_cast<void*>(address); }

bool all_mapped(uintptr_t first, uintptr_t end, size_t page) {
  std::array<unsigned char, 4096> resident;
  const size_t step = resident.size() * page;
  for (uintptr_t at = first; at < end; at += std::min<size_t>(step, end - at)) {
    if (mincore(pointer(at), std::min<size_t>(step, end - at), resident.data()) != 0) return false;
  }
  return true;
}

// Whether the kernel knows how to populate pages: asked of the page of a variable of our own.
bool can_populate() {
  static const bool known = [] {
    int here = 0;
    const uintptr_t at = reinterpret_cast<uintptr_t>(&here);
    return madvise(pointer(at - at % page_size()), page_size(), kPopulateRead) == 0;
  }();
  return known;
}

// True if the process may read (write) every page there; older kernels tell only what is mapped.
bool accessible(uintptr_t address, size_t bytes, bool write) {
  const size_t page = page_size();
  if (bytes > std::numeric_limits<uintptr_t>::max() - address - page) return false;
  const uintptr_t first = address - address % page;
  const uintptr_t end = (address + bytes + page - 1) / page * page;
  if (!can_populate()) return all_mapped(first, end, page);
  int result = 0;
  do {
    result = madvise(pointer(first), end - first, write ? kPopulateWrite : kPopulateRead);
  } while (result != 0 && (errno == EINTR || errno == EAGAIN));
  return result == 0;
}

}  // namespace

std::string_view name_of(MemoryKind kind) {
  constexpr std::array<std::string_view, 3> names = {"device", "managed", "pinned"};
  return names[static_cast<size_t>(kind)];
}

DeviceMemory& DeviceMemory::get() {
  static auto* memory = new DeviceMemory;
  return *memory;
}

DeviceMemory::DeviceMemory() : page_(page_size()), total_(physical_bytes()) {}

uintptr_t DeviceMemory::allocate(size_t bytes, MemoryKind kind) {
  if (bytes == 0) return 0;
  const std::lock_guard lock(mutex_);
  if (bytes > total_ - std::min(total_, live_bytes_)) throw std::bad_alloc();
  const size_t used = (bytes + page_ - 1) / page_ * page_;
  const size_t reserved = used + (live_count_ < kMaxGuarded ? page_ : 0);
  void* at = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  if (mprotect(at, used, PROT_READ | PROT_WRITE) != 0) {
    munmap(at, reserved);
    throw std::bad_alloc();
  }
  const auto base = reinterpret_cast<uintptr_t>(at);
  ranges_.emplace(base, Range{base, bytes, reserved, kind});
  live_count_ += 1;
  live_bytes_ += bytes;
  return base;
}

void DeviceMemory::release(uintptr_t address, bool pinned, std::string_view what) {
  if (address == 0) return;
  const std::lock_guard lock(mutex_);
  Range* range = range_at(address);
  check(range != nullptr, ErrorCode::kInvalidArgument,
        "{}: unknown pointer {:#x}: it is not the address of an allocation", what, address);
  check(!range->freed, ErrorCode::kInvalidArgument,
        "{}: {:#x} lies in an allocation of {} bytes that was freed already (double free)", what,
        address, range->bytes);
  check(range->base == address, ErrorCode::kInvalidArgument,
        "{}: {:#x} lies {} bytes inside the allocation at {:#x}; free that address", what, address,
        address - range->base, range->base);
  check((range->kind == MemoryKind::kPinned) == pinned, ErrorCode::kInvalidArgument,
        "{}: {:#x} is {} memory; free it with {}", what, address, name_of(range->kind),
        pinned ? "cudaFree" : "cudaFreeHost");
  free_range(*range);
}

bool DeviceMemory::try_release(uintptr_t address, bool pinned) {
  if (address == 0) return true;
  const std::lock_guard lock(mutex_);
  Range* range = range_at(address);
  if (range == nullptr || range->freed || range->base != address) return false;
  if ((range->kind == MemoryKind::kPinned) != pinned) return false;
  free_range(*range);
  return true;
}

void DeviceMemory::free_range(Range& range) {
  range.freed = true;
  live_count_ -= 1;
  live_bytes_ -= range.bytes;
  if (range.users == 0) retire(range);
}

DeviceMemory::Range* DeviceMemory::range_at(uintptr_t address) {
  auto next = ranges_.upper_bound(address);
  if (next == ranges_.begin()) return nullptr;
  Range& range = std::prev(next)->second;
  return address - range.base < range.reserved ? &range : nullptr;
}

// Takes the pages of a freed range and keeps its addresses; gives up both if the kernel cannot.
void DeviceMemory::retire(Range& range) {
  const void* kept = mmap(pointer(range.base), range.reserved, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (kept == MAP_FAILED) {
    munmap(pointer(range.base), range.reserved);
    ranges_.erase(range.base);
    return;
  }
  retired_.push_back(range.base);
  retired_bytes_ += range.reserved;
  trim();
}

void DeviceMemory::trim() {
  while (retired_.size() > kMaxRetired || retired_bytes_ > kMaxRetiredBytes) {
    const auto oldest = ranges_.find(retired_.front());
    munmap(pointer(oldest->second.base), oldest->second.reserved);
    retired_bytes_ -= oldest->second.reserved;
    ranges_.erase(oldest);
    retired_.pop_front();
  }
}

DeviceMemory::Use DeviceMemory::use(uintptr_t address, size_t bytes, std::string_view what,
                                    bool write) {
  Use use;
  if (bytes == 0) return use;
  use.data_ = static_cast<std::byte*>(pointer(address));
  use.bytes_ = bytes;
  use.what_ = what;
  use.write_ = write;
  check(address != 0, ErrorCode::kInvalidArgument, "{}: a null pointer for {} bytes", what, bytes);
  const std::lock_guard lock(mutex_);
  Range* range = range_at(address);
  if (range == nullptr) {
    const auto next = ranges_.upper_bound(address);
    check(next == ranges_.end() || bytes <= next->first - address, ErrorCode::kInvalidArgument,
          "{}: {} bytes from host address {:#x} run into the allocation at {:#x}", what, bytes,
          address, next == ranges_.end() ? 0 : next->first);
    return use;
  }
  check(!range->freed, ErrorCode::kInvalidArgument,
        "{}: {:#x} lies in an allocation of {} bytes that was freed (use after free)", what,
        address, range->bytes);
  const size_t offset = address - range->base;
  const size_t left = range->bytes - std::min(range->bytes, offset);
  check(bytes <= left, ErrorCode::kInvalidArgument,
        "{}: {} bytes from {:#x} exceed the allocation of {} bytes at {:#x}, {} are left there",
        what, bytes, address, range->bytes, range->base, left);
  range->users += 1;
  use.base_ = range->base;
  return use;
}

void DeviceMemory::end_use(uintptr_t base) {
  const std::lock_guard lock(mutex_);
  Range& range = ranges_.at(base);
  range.users -= 1;
  if (range.freed && range.users == 0) retire(range);
}

DeviceMemory::Found DeviceMemory::find(uintptr_t address) {
  const std::lock_guard lock(mutex_);
  if (const Range* range = range_at(address)) {
    return {range->base, range->bytes, range->freed ? "freed" : std::string(name_of(range->kind))};
  }
  const bool host = address != 0 && accessible(address, 1, false);
  return {address, 0, host ? "host" : "unknown"};
}

size_t DeviceMemory::live_count() {
  const std::lock_guard lock(mutex_);
  return live_count_;
}

size_t DeviceMemory::live_bytes() {
  const std::lock_guard lock(mutex_);
  return live_bytes_;
}

DeviceMemory::Use::Use(Use&& other) noexcept
    : data_(other.data_),
      bytes_(other.bytes_),
      what_(std::move(other.what_)),
      write_(other.write_),
      base_(std::exchange(other.base_, std::nullopt)) {}

DeviceMemory::Use::~Use() {
  if (base_) DeviceMemory::get().end_use(*base_);
}

void DeviceMemory::Use::touch() const {
  if (base_ || bytes_ == 0) return;
  const auto address = reinterpret_cast<uintptr_t>(data_);
  check(accessible(address, bytes_, write_), ErrorCode::kInvalidArgument,
        "{}: unknown pointer {:#x}: not an allocation, and not {} bytes of host memory that can "
        "be {}",
        what_, address, bytes_, write_ ? "written" : "read");
}

}  // namespace octile::python
