// Loops over a team of threads (team.h), and how many threads there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace octile {

/// Number of threads a loop uses by default: what set_thread_count() said, else the cores that
/// this process may use.
int thread_count();

/// Sets this thread's default for loops and for oneDNN's; 0 means all cores.
void set_thread_count(int threads);

/// While alive, loops started by this thread use `threads` (0: leave as it is). Restores after.
class ThreadCountScope {
 public:
  explicit ThreadCountScope(int threads);
  ~ThreadCountScope();
  ThreadCountScope(const ThreadCountScope&) = delete;
  ThreadCountScope& operator=(const ThreadCountScope&) = delete;

 private:
  int saved_;
};

using RangeFunction = void (*)(void* context, int64_t begin, int64_t end, int thread);
/// `bytes`: of a body at `context` that may be copied, or 0.
void parallel_ranges(int64_t count, int64_t grain, RangeFunction function, void* context,
                     size_t bytes);

/// Calls body(begin, end, thread) on disjoint ranges that cover [0, count), up to eight for each
/// thread; each range but the last is a multiple of `grain`; 0 <= thread < thread_count(). Runs
/// inline when one range is enough or when already inside a loop. Does not allocate inside
/// with_team(). An exception in the body is rethrown in the caller after the loop. A body of two
/// pointers at most (`[this, &buffers]`) travels with the news of the loop and may be copied; what
/// others refer to on the caller's stack costs each thread 0.3 us to fetch.
template <typename Body>
void parallel_for(int64_t count, int64_t grain, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  parallel_ranges(
      count, grain,
      [](void* context, int64_t begin, int64_t end, int thread) {
        (*static_cast<Plain*>(context))(begin, end, thread);
      },
      const_cast<void*>(static_cast<const void*>(&body)),
      std::is_trivially_copyable_v<Plain> && alignof(Plain) <= alignof(void*) ? sizeof(Plain) : 0);
}

}  // namespace octile
