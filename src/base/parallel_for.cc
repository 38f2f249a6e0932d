// Loops over a team of threads (team.h). The threads are OpenMP's, which oneDNN from Debian uses
// too: one set of threads, which a team holds from its opening to its end. ThreadSanitizer does not
// understand OpenMP runtimes: there a team starts threads of its own.
#include "base/parallel_for.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

#include "base/team.h"
#include "base/with_team.h"

#ifdef OCTILE_THREADS_OPENMP
#include <omp.h>
#endif

namespace octile {
namespace {

int usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

thread_local int t_threads = 0;       // 0: usable_cores()
thread_local Team* t_team = nullptr;  // open, led by this thread

/// A child of fork() has none of the threads that its parent's OpenMP runtime counts on: once they
/// were there, a child runs alone.
std::atomic<bool> g_any_team{false}, g_alone{false};

void set_openmp_threads() {
#ifdef OCTILE_THREADS_OPENMP
  omp_set_num_threads(thread_count());
#endif
}

void note_team() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] {
    g_alone = g_any_team.load();
    if (g_alone) set_openmp_threads();
  });
  static_cast<void>(registered);
  g_any_team.store(true, std::memory_order_relaxed);
}

/// Runs `lead` in this thread while threads − 1 others serve the team.
void gather_team(Team& team, int threads, void (*lead)(void*), void* context) {
  note_team();
  team.open(threads);
  std::exception_ptr error;
  const auto part = [&](int seat) {
    if (seat > 0) return team.serve(seat);
    try {
      t_team = &team;
      lead(context);
    } catch (...) {
      error = std::current_exception();
    }
    t_team = nullptr;
    team.close();
  };
#ifdef OCTILE_THREADS_OPENMP
#pragma omp parallel num_threads(threads)
  part(omp_get_thread_num());
#else
  std::vector<std::thread> others;
  for (int seat = 1; seat < threads; ++seat) others.emplace_back(part, seat);
  part(0);
  for (std::thread& other : others) other.join();
#endif
  if (error != nullptr) std::rethrow_exception(error);
}

}  // namespace

int thread_count() {
  static const int cores = usable_cores();
  if (g_alone.load(std::memory_order_relaxed)) return 1;
  return std::min(t_threads > 0 ? t_threads : cores, Team::kMostThreads);
}

void set_thread_count(int threads) {
  t_threads = std::max(0, threads);
  set_openmp_threads();
}

ThreadCountScope::ThreadCountScope(int threads) : saved_(t_threads) {
  if (threads > 0) set_thread_count(threads);
}

ThreadCountScope::~ThreadCountScope() {
  if (t_threads != saved_) set_thread_count(saved_);
}

void run_with_team(void (*lead)(void*), void* context) {
  const int threads = thread_count();
  if (threads <= 1 || Team::inside() || t_team != nullptr) return lead(context);
  thread_local Team team;
  gather_team(team, threads, lead, context);
}

void parallel_ranges(int64_t count, int64_t grain, RangeFunction function, void* context,
                     size_t bytes) {
  if (count <= 0) return;
  grain = std::max<int64_t>(1, grain);
  const int threads = thread_count();
  if (count <= grain || threads <= 1 || Team::inside()) return function(context, 0, count, 0);
  if (t_team != nullptr) return t_team->run(count, grain, threads, function, context, bytes);
  with_team([&] { t_team->run(count, grain, threads, function, context, bytes); });
}

}  // namespace octile
