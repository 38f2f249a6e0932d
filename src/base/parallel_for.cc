// Thread pools behind parallel_for. The OpenMP one is the product's: oneDNN from Debian shares it.
// ThreadSanitizer does not understand OpenMP runtimes, so that preset uses std::thread.
#include "base/parallel_for.h"

#include <sched.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

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

thread_local int t_threads = 0;  // 0: usable_cores()
thread_local bool t_inside = false;

struct InsideScope {
  bool saved = t_inside;
  InsideScope() { t_inside = true; }
  ~InsideScope() { t_inside = saved; }
};

/// First exception of a loop, kept for the caller.
class ErrorSlot {
 public:
  void keep() {
    std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
  }
  void rethrow() {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr error_;
};

struct Split {
  int64_t count, grain, parts;
  int64_t at(int64_t part) const {  // boundary in elements, a multiple of grain
    const int64_t blocks = (count + grain - 1) / grain;
    return std::min(count, blocks * part / parts * grain);
  }
};

}  // namespace

int thread_count() {
  static const int cores = usable_cores();
  return t_threads > 0 ? t_threads : cores;
}

void set_thread_count(int threads) {
  t_threads = std::max(0, threads);
#ifdef OCTILE_THREADS_OPENMP
  omp_set_num_threads(thread_count());
#endif
}

ThreadCountScope::ThreadCountScope(int threads) : saved_(t_threads) {
  if (threads > 0) set_thread_count(threads);
}

ThreadCountScope::~ThreadCountScope() {
  if (t_threads != saved_) set_thread_count(saved_);
}

void parallel_ranges(int64_t count, int64_t grain, RangeFunction function, void* context) {
  if (count <= 0) return;
  grain = std::max<int64_t>(1, grain);
  const int64_t blocks = (count + grain - 1) / grain;
  const Split split{count, grain, std::min<int64_t>(thread_count(), blocks)};
  if (split.parts <= 1 || t_inside) {
    function(context, 0, count, 0);
    return;
  }
  ErrorSlot error;
  const auto run_part = [&](int64_t part) {
    InsideScope inside;
    try {
      function(context, split.at(part), split.at(part + 1), static_cast<int>(part));
    } catch (...) {
      error.keep();
    }
  };
#ifdef OCTILE_THREADS_OPENMP
#pragma omp parallel for schedule(static, 1) num_threads(static_cast <int>(split.parts))
  for (int64_t part = 0; part < split.parts; ++part) run_part(part);
#else
  std::vector<std::thread> workers;
  for (int64_t part = 1; part < split.parts; ++part) workers.emplace_back(run_part, part);
  run_part(0);
  for (std::thread& worker : workers) worker.join();
#endif
  error.rethrow();
}

}  // namespace octile
