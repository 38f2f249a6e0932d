// Memory for tensors and packed weights.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace octile {

/// `bytes` bytes (at least one) from a multiple of kAlignment on, not initialized; from kLarge on
/// in huge pages where the system gives them when asked (weights of a network have more small pages
/// than the CPU keeps translations of). Null: out of memory. std::free() ends it.
void* allocate_aligned(size_t bytes);

/// For vectors that kernels read by whole registers.
template <typename T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <typename U>
  AlignedAllocator(const AlignedAllocator<U>& /*other*/) {}  // NOLINT: allocators convert
  T* allocate(size_t n) {
    void* p = n > size_t(-1) / sizeof(T) ? nullptr : allocate_aligned(n * sizeof(T));
    if (p == nullptr) throw std::bad_alloc();
    return static_cast<T*>(p);
  }
  void deallocate(T* p, size_t /*n*/) { std::free(p); }
  bool operator==(const AlignedAllocator& /*other*/) const { return true; }
};

}  // namespace octile
