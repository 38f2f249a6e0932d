// parallel_for: coverage, grain, nesting, exceptions, thread counts.
#include "base/parallel_for.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "support/tensors.h"

namespace octile::test {
namespace {

TEST(ParallelFor, CoversEveryIndexOnceInGrains) {
  for (int threads : {1, 2, 3, 7}) {
    const ThreadCountScope scope(threads);
    for (int64_t count : {0, 1, 5, 64, 1000}) {
      for (int64_t grain : {1, 8, 100}) {
        std::vector<std::atomic<int>> hits(static_cast<size_t>(count));
        std::atomic<bool> fine{true};
        parallel_for(count, grain, [&](int64_t begin, int64_t end, int thread) {
          if (thread < 0 || thread >= threads || begin % grain != 0) fine = false;
          if (end != count && end % grain != 0) fine = false;
          for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
        });
        EXPECT_TRUE(fine);
        for (const auto& hit : hits) ASSERT_EQ(hit, 1);
      }
    }
  }
}

TEST(ParallelFor, ThreadNumbersDiffer) {
  const ThreadCountScope scope(4);
  std::mutex mutex;
  std::vector<int> seen;
  parallel_for(4, 1, [&](int64_t begin, int64_t end, int thread) {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(end - begin, 1);
    seen.push_back(thread);
  });
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3}));
}

TEST(ParallelFor, NestedLoopsRunInline) {
  const ThreadCountScope scope(4);
  std::atomic<int> ranges{0};
  parallel_for(4, 1, [&](int64_t, int64_t, int) {
    parallel_for(100, 1, [&](int64_t begin, int64_t end, int thread) {
      EXPECT_EQ(begin, 0);
      EXPECT_EQ(end, 100);
      EXPECT_EQ(thread, 0);
      ++ranges;
    });
  });
  EXPECT_EQ(ranges, 4);
}

TEST(ParallelFor, ExceptionsReachTheCaller) {
  for (int threads : {1, 4}) {
    const ThreadCountScope scope(threads);
    EXPECT_THROW(parallel_for(8, 1,
                              [](int64_t, int64_t end, int) {
                                if (end == 8) throw std::runtime_error("last");
                              }),
                 std::runtime_error);
    std::atomic<int> after{0};
    parallel_for(8, 1,
                 [&](int64_t begin, int64_t end, int) { after += static_cast<int>(end - begin); });
    EXPECT_EQ(after, 8) << "the pool still works";
  }
}

TEST(ParallelFor, ScopesRestore) {
  const int before = thread_count();
  {
    const ThreadCountScope outer(3);
    EXPECT_EQ(thread_count(), 3);
    {
      const ThreadCountScope inner(5);
      EXPECT_EQ(thread_count(), 5);
      const ThreadCountScope as_it_is(0);
      EXPECT_EQ(thread_count(), 5);
    }
    EXPECT_EQ(thread_count(), 3);
  }
  EXPECT_EQ(thread_count(), before);
}

}  // namespace
}  // namespace octile::test
