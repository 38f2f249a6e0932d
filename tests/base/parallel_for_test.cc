// parallel_for: coverage, grain, nesting, exceptions, thread counts.
#include "base/parallel_for.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/with_team.h"
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

TEST(ParallelFor, NobodySharesAThreadNumberAtOneTime) {
  const ThreadCountScope scope(4);
  std::atomic<int> users[4]{};
  std::atomic<bool> shared{false};
  for (int i = 0; i < 100; ++i) {
    parallel_for(64, 1, [&](int64_t, int64_t, int thread) {
      if (users[thread]++ != 0) shared = true;
      --users[thread];
    });
  }
  EXPECT_FALSE(shared);
}

TEST(ParallelFor, ATeamServesManyLoops) {
  const ThreadCountScope scope(3);
  std::atomic<int64_t> sum{0};
  with_team([&] {
    for (int i = 0; i < 1000; ++i) {
      parallel_for(9, 2, [&](int64_t begin, int64_t end, int) { sum += end - begin; });
    }
    with_team(
        [&] { parallel_for(5, 1, [&](int64_t begin, int64_t end, int) { sum += end - begin; }); });
    const ThreadCountScope more(7);  // than the team has
    parallel_for(100, 1, [&](int64_t begin, int64_t end, int thread) {
      EXPECT_LT(thread, 3);
      sum += end - begin;
    });
  });
  EXPECT_EQ(sum, 9105);
  EXPECT_THROW(with_team([] { throw std::runtime_error("leader"); }), std::runtime_error);
  parallel_for(4, 1, [&](int64_t begin, int64_t end, int) { sum += end - begin; });
  EXPECT_EQ(sum, 9109);
}

TEST(ParallelFor, ThreadsOfTheUserHaveTeamsOfTheirOwn) {
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> users;
  for (int user = 0; user < 4; ++user) {
    users.emplace_back([&sum] {
      const ThreadCountScope scope(3);
      for (int i = 0; i < 50; ++i) {
        with_team([&] {
          for (int k = 0; k < 10; ++k) {
            parallel_for(20, 1, [&](int64_t begin, int64_t end, int) { sum += end - begin; });
          }
        });
      }
    });
  }
  for (std::thread& user : users) user.join();
  EXPECT_EQ(sum, 4 * 50 * 10 * 20);
}

/// A child has none of its parent's threads.
TEST(ParallelFor, WorksInAForkedChild) {
  const ThreadCountScope scope(3);
  std::atomic<int64_t> sum{0};
  const auto loop = [&] {
    parallel_for(20, 1, [&](int64_t begin, int64_t end, int) { sum += end - begin; });
  };
  loop();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);  // ends a child that hangs
    loop();
    _exit(sum == 40 && thread_count() == 1 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(thread_count(), 3) << "the parent goes on as before";
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
