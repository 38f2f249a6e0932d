// The meeting of threads that share loops: who takes which part, who waits for whom, and how long.
//
// One thread leads; the others serve() from the time a team opens until it closes. A loop is cut
// into parts, some for each seat. A thread takes parts of its own seat, half of what is left at a
// time, then single parts of others' seats: so threads of unequal speed end together, and the
// leader never waits for a thread that is not running: it does that thread's parts itself.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <vector>

namespace octile {

/// A Team belongs to one leading thread. open(), run() and close() are the leader's, serve() the
/// others'. Nothing but open() allocates.
class Team {
 public:
  static constexpr int kMostThreads = 1024;
  static constexpr size_t kSmallBody = 16;  // bytes that travel with a loop
  using Function = void (*)(void* context, int64_t begin, int64_t end, int thread);

  /// Before the others start to serve. At most `threads` take part, the leader among them.
  void open(int threads);
  /// Thread `seat`, 1 ≤ seat < threads, works here until the leader closes.
  void serve(int seat);
  /// Calls function on ranges that cover [0, count), multiples of `grain` long but for the last.
  /// Rethrows the first exception. `threads` may be fewer than the team has.
  /// `bytes`: of a body at `context` that may be copied, or 0.
  void run(int64_t count, int64_t grain, int threads, Function function, void* context,
           size_t bytes);
  void close();
  /// True in the body of a loop.
  static bool inside();

 private:
  struct Loop {
    uint16_t threads, parts;  // parts a seat
    bool body_is_here;        // else a pointer to it is
    Function function;
    int64_t count, grain;
    std::array<std::byte, kSmallBody> body;
  };
  /// All that a thread and the leader tell each other lies in one cache line, which goes to and
  /// fro: a second one would double the time. Aligned to two, since neighbours are fetched in
  /// pairs.
  struct alignas(128) Seat {
    std::atomic<uint64_t> state{0};  // loop number << 32 | closing | its thread came | parts left
    std::atomic<uint32_t> finished{0};  // number of the last loop that its thread has left
    Loop loop{};                        // for who has taken a part of it
  };
  struct Parts {
    int owner, first, last;
  };

  void work(Loop& loop, uint32_t number, int thread);
  Parts take(Loop& loop, uint32_t number, int owner, bool own);
  void run_parts(Loop& loop, Parts parts, int thread);
  uint64_t next_state(const Seat& seat, uint64_t seen);
  void wake();
  void wait_for(const Seat& seat, uint32_t number);

  // What the leader writes once a loop must not lie beside what the others read.
  int size_ = 0;
  std::vector<Seat> seats_;
  alignas(128) uint32_t number_ = 0;  // of the last loop
  // Those who gave up spinning.
  alignas(128) std::atomic<int> asleep_{0};
  alignas(128) std::atomic<bool> leader_asleep_{false};
  std::mutex mutex_;
  std::condition_variable start_, finish_;
  std::exception_ptr error_;  // under mutex_
};

}  // namespace octile
