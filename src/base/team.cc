// See team.h. A seat's state is one atomic word, so that a thread that comes late cannot mix two
// loops: it knows that a loop is still running, and may read its fields, once it has taken a part.
#include "base/team.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace octile {
namespace {

/// How long a thread spins before it sleeps: about what putting it to sleep and waking it costs
/// (docs/architecture.md). Steps of a network follow each other faster.
constexpr std::chrono::microseconds kPatience(50);
constexpr int kPausesPerLook = 64;  // between two looks at the clock

/// Parts a seat: with fewer, threads end apart; with more, short loops are all bookkeeping.
constexpr int64_t kPartsPerSeat = 8;

constexpr uint64_t kClosing = 1 << 17, kCame = 1 << 16, kLeft = 0xffff;
constexpr int kNumberShift = 32;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// True when `done` came true while this thread had patience.
template <typename Done>
bool spin_until(const Done& done) {
  for (int i = 0; i < kPausesPerLook; ++i) {
    if (done()) return true;
    pause();
  }
  const auto end = std::chrono::steady_clock::now() + kPatience;
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (done()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

thread_local bool t_inside = false;

}  // namespace

bool Team::inside() { return t_inside; }

void Team::open(int threads) {
  if (size_t(threads) > seats_.size()) seats_ = std::vector<Seat>(size_t(threads));
  size_ = threads;
  for (Seat& seat : seats_) seat.state.store(0, std::memory_order_relaxed);
}

void Team::close() {
  for (Seat& seat : seats_) seat.state.store(kClosing, std::memory_order_release);
  wake();
}

void Team::serve(int seat) {
  Seat& mine = seats_[size_t(seat)];
  for (uint64_t seen = 0;;) {
    seen = next_state(mine, seen);
    if ((seen & kClosing) != 0) return;
    const uint64_t left = seen & kLeft;
    if (left == 0) continue;  // others did it all
    const uint64_t after = (seen - (left + 1) / 2) | kCame;
    if (!mine.state.compare_exchange_strong(seen, after, std::memory_order_acq_rel)) {
      seen = 0;
      continue;
    }
    Loop& loop = mine.loop;
    const int first = loop.parts - int(left);
    run_parts(loop, {seat, first, first + int(left + 1) / 2}, seat);
    const auto number = uint32_t(seen >> kNumberShift);
    work(loop, number, seat);
    seen = uint64_t{number} << kNumberShift | kCame;
    mine.finished.store(number, std::memory_order_seq_cst);
    if (leader_asleep_.load(std::memory_order_seq_cst)) {
      const std::lock_guard lock(mutex_);
      finish_.notify_one();
    }
  }
}

void Team::run(int64_t count, int64_t grain, int threads, Function function, void* context,
               size_t bytes) {
  const int64_t blocks = (count + grain - 1) / grain;
  threads = int(std::min<int64_t>(std::min(threads, size_), blocks));
  const auto parts = uint16_t(std::min(kPartsPerSeat, blocks / threads));
  const bool small = bytes > 0 && bytes <= kSmallBody;
  Loop loop{uint16_t(threads), parts, small, function, count, grain, {}};
  std::memcpy(loop.body.data(), small ? context : static_cast<const void*>(&context),
              small ? bytes : sizeof(context));
  const uint32_t number = ++number_;
  const uint64_t state = uint64_t{number} << kNumberShift | uint64_t(parts);
  for (int seat = 1; seat < threads; ++seat) {
    seats_[size_t(seat)].loop = loop;
    seats_[size_t(seat)].state.store(state, std::memory_order_release);
  }
  seats_[0].state.store(state, std::memory_order_release);
  wake();
  work(loop, number, 0);
  for (int seat = 1; seat < threads; ++seat) {
    const Seat& other = seats_[size_t(seat)];
    if ((other.state.load(std::memory_order_acquire) & kCame) != 0) wait_for(other, number);
  }
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

/// Own parts first, then what others have not begun. Where each has one part, only the leader looks
/// around, for threads that did not come.
void Team::work(Loop& loop, uint32_t number, int thread) {
  const int seats = loop.parts == 1 && thread > 0 ? 1 : loop.threads;
  for (int i = 0; i < seats; ++i) {
    for (;;) {
      const Parts parts = take(loop, number, (thread + i) % loop.threads, i == 0);
      if (parts.first == parts.last) break;
      run_parts(loop, parts, thread);
    }
  }
}

Team::Parts Team::take(Loop& loop, uint32_t number, int owner, bool own) {
  std::atomic<uint64_t>& state = seats_[size_t(owner)].state;
  uint64_t before = state.load(std::memory_order_acquire);
  for (;;) {
    const auto left = int(before & kLeft);
    // The leader may not have reached that seat yet.
    if (left == 0 || before >> kNumberShift != number) return {owner, 0, 0};
    const int count = own ? (left + 1) / 2 : 1, first = loop.parts - left;
    if (state.compare_exchange_weak(before, before - uint64_t(count), std::memory_order_acq_rel,
                                    std::memory_order_acquire)) {
      return {owner, first, first + count};
    }
  }
}

void Team::run_parts(Loop& loop, Parts parts, int thread) {
  const int64_t first = int64_t{parts.owner} * loop.parts, all = int64_t{loop.threads} * loop.parts;
  const int64_t blocks = (loop.count + loop.grain - 1) / loop.grain;
  const auto at = [&](int64_t part) {
    return std::min(loop.count, blocks * part / all * loop.grain);
  };
  void* context = loop.body.data();
  if (!loop.body_is_here) std::memcpy(&context, loop.body.data(), sizeof(context));
  const bool inside = std::exchange(t_inside, true);
  try {
    loop.function(context, at(first + parts.first), at(first + parts.last), thread);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (error_ == nullptr) error_ = std::current_exception();
  }
  t_inside = inside;
}

/// One of two additions to asleep_ is the later one: either the leader learns that somebody sleeps,
/// or that thread sees the state that was stored before.
void Team::wake() {
  if (asleep_.fetch_add(0, std::memory_order_acq_rel) == 0) return;
  const std::lock_guard lock(mutex_);
  start_.notify_all();
}

uint64_t Team::next_state(const Seat& seat, uint64_t seen) {
  uint64_t state = seen;
  const auto changed = [&] {
    state = seat.state.load(std::memory_order_acquire);
    return state != seen;
  };
  if (spin_until(changed)) return state;
  std::unique_lock lock(mutex_);
  asleep_.fetch_add(1, std::memory_order_acq_rel);
  start_.wait(lock, changed);
  asleep_.fetch_sub(1, std::memory_order_acq_rel);
  return state;
}

void Team::wait_for(const Seat& seat, uint32_t number) {
  const auto finished = [&] { return seat.finished.load(std::memory_order_seq_cst) == number; };
  if (spin_until(finished)) return;
  std::unique_lock lock(mutex_);
  leader_asleep_.store(true, std::memory_order_seq_cst);
  finish_.wait(lock, finished);
  leader_asleep_.store(false, std::memory_order_relaxed);
}

}  // namespace octile
