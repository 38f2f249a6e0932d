// See allocate.h.
#include "base/allocate.h"

#include <sys/mman.h>

#include <algorithm>

#include "base/round_up.h"

namespace octile {

void* allocate_aligned(size_t bytes) {
  constexpr size_t kLarge = 1 << 20;
  constexpr int64_t kHugePage = 2 << 20;
  const bool large = bytes >= kLarge;
  const int64_t multiple = large ? kHugePage : kAlignment;
  const auto padded = size_t(round_up(int64_t(std::max<size_t>(bytes, 1)), multiple));
  void* p = std::aligned_alloc(size_t(multiple), padded);
#ifdef MADV_HUGEPAGE
  if (large && p != nullptr) madvise(p, padded, MADV_HUGEPAGE);  // a wish: it may be refused
#endif
  return p;
}

}  // namespace octile
