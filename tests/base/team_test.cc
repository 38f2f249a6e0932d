// Team: threads that are late, slow or absent; sleepers; loops one after the other.
#include "base/team.h"

#include <chrono>
#include <stdexcept>
#include <thread>

#include "support/tensors.h"

namespace octile::test {
namespace {

/// Sums of the numbers in [0, count), by thread.
struct Sums {
  std::atomic<int64_t> of[8]{};
  int64_t all() const {
    int64_t sum = 0;
    for (const auto& one : of) sum += one;
    return sum;
  }
  static void add(void* self, int64_t begin, int64_t end, int thread) {
    for (; begin < end; ++begin) static_cast<Sums*>(self)->of[thread] += begin;
  }
};

/// Three threads that serve until the scope ends.
class Served {
 public:
  explicit Served(Team& team) : team_(team) {
    team.open(4);
    for (int seat = 1; seat < 4; ++seat) others_.emplace_back([&team, seat] { team.serve(seat); });
  }
  ~Served() {
    team_.close();
    for (std::thread& other : others_) other.join();
  }

 private:
  Team& team_;
  std::vector<std::thread> others_;
};

TEST(Team, TheLeaderDoesWhatAbsentThreadsWouldHave) {
  Team team;
  team.open(4);
  for (const int64_t count : {2, 3, 100}) {
    Sums sums;
    team.run(count, 1, 4, Sums::add, &sums, 0);
    EXPECT_EQ(sums.of[0], count * (count - 1) / 2);
  }
  std::thread late([&team] { team.serve(1); });  // finds nothing left to do
  team.close();
  late.join();
}

TEST(Team, EveryLoopIsWholeHoweverManyFollowEachOther) {
  Team team;
  const Served served(team);
  for (int64_t i = 0; i < 20000; ++i) {
    const int64_t count = 2 + i % 40;
    Sums sums;
    team.run(count, 1 + i % 3, 2 + int(i % 3), Sums::add, &sums, 0);
    ASSERT_EQ(sums.all(), count * (count - 1) / 2) << "loop " << i;
  }
}

TEST(Team, SleepersWake) {
  Team team;
  const Served served(team);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // longer than anybody spins
    Sums sums;
    team.run(64, 1, 4, Sums::add, &sums, 0);
    ASSERT_EQ(sums.all(), 64 * 63 / 2);
  }
}

TEST(Team, TheLeaderSleepsUntilTheSlowestIsThere) {
  Team team;
  const Served served(team);
  std::atomic<int> done{0};
  const auto slow = [](void* count, int64_t, int64_t, int thread) {
    if (thread > 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (thread == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
    ++*static_cast<std::atomic<int>*>(count);
  };
  for (int i = 1; i <= 10; ++i) {
    team.run(4, 1, 4, slow, &done, 0);
    ASSERT_EQ(done, 4 * i);
  }
}

TEST(Team, SmallBodiesTravelByValue) {
  Team team;
  const Served served(team);
  Sums sums;
  Sums* body = &sums;
  const auto add = [](void* context, int64_t begin, int64_t end, int thread) {
    Sums::add(*static_cast<Sums**>(context), begin, end, thread);
  };
  team.run(1000, 7, 4, add, &body, sizeof(body));
  EXPECT_EQ(sums.all(), 1000 * 999 / 2);
}

TEST(Team, TheFirstErrorComesOutAfterAllParts) {
  Team team;
  const Served served(team);
  std::atomic<int> blocks{0};
  const auto fail_first = [](void* count, int64_t begin, int64_t end, int) {
    *static_cast<std::atomic<int>*>(count) += int(end - begin);
    if (begin == 0) throw std::runtime_error("first");
  };
  EXPECT_THROW(team.run(32, 1, 4, fail_first, &blocks, 0), std::runtime_error);
  EXPECT_EQ(blocks, 32);
  EXPECT_FALSE(Team::inside());
}

TEST(Team, OpensAgain) {
  Team team;
  for (int i = 0; i < 50; ++i) {
    const Served served(team);
    Sums sums;
    team.run(100, 1, 4, Sums::add, &sums, 0);
    ASSERT_EQ(sums.all(), 100 * 99 / 2);
  }
}

}  // namespace
}  // namespace octile::test
