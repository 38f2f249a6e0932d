// Memory: see accelerator.h.
#include <cstdlib>
#include <cstring>
#include <utility>

#include "backend/accelerator.h"
#include "base/allocate.h"
#include "base/error.h"
#include "base/round_up.h"

namespace octile {

Memory::Memory(const Accelerator* accelerator, size_t bytes, Kind kind)
    : accelerator_(accelerator), kind_(kind), bytes_(bytes) {
  if (accelerator == nullptr) {
    data_ = static_cast<std::byte*>(allocate_aligned(bytes));
    check(data_ != nullptr, ErrorCode::kInvalidArgument, "out of memory: {} bytes", bytes);
    std::memset(data_, 0, static_cast<size_t>(aligned(static_cast<int64_t>(bytes))));
  } else if (bytes > 0) {
    data_ = static_cast<std::byte*>(kind == Kind::kDevice ? accelerator->allocate(bytes)
                                                          : accelerator->allocate_pinned(bytes));
  }
}

void Memory::release() noexcept {
  std::byte* data = std::exchange(data_, nullptr);
  bytes_ = 0;
  if (data == nullptr) return;
  if (accelerator_ == nullptr) {
    std::free(data);
  } else if (kind_ == Kind::kDevice) {
    accelerator_->release(data);
  } else {
    accelerator_->release_pinned(data);
  }
}

void Memory::swap(Memory& other) noexcept {
  std::swap(accelerator_, other.accelerator_);
  std::swap(kind_, other.kind_);
  std::swap(bytes_, other.bytes_);
  std::swap(data_, other.data_);
}

Memory upload(const Accelerator* accelerator, std::span<const std::byte> bytes) {
  Memory memory(accelerator, bytes.size());
  if (bytes.empty()) return memory;
  if (accelerator == nullptr) {
    std::memcpy(memory.data(), bytes.data(), bytes.size());
    return memory;
  }
  accelerator->copy(memory.data(), bytes.data(), bytes.size(), nullptr);
  if (const std::string failure = accelerator->wait(nullptr); !failure.empty()) {
    fail(ErrorCode::kDevice, "{}: copying {} bytes failed: {}", accelerator->id(), bytes.size(),
         failure);
  }
  return memory;
}

}  // namespace octile
