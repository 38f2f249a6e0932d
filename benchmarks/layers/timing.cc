// See timing.h.
#include "timing.h"

#include <algorithm>
#include <chrono>

namespace octile::bench {
namespace {

/// Milliseconds a run, over `repeats` of them.
double sample(const std::function<void()>& work, int repeats) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) work();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  return took.count() / repeats;
}

struct Running {
  std::vector<double> ms;
  int repeats = 1, rounds = 0;
};

}  // namespace

std::vector<Times> time_in_turns(const std::vector<std::function<void()>>& candidates,
                                 const Effort& effort) {
  std::vector<Running> running(candidates.size());
  std::vector<double> first;
  for (const auto& work : candidates) {
    work();
    first.push_back(std::min(sample(work, 1), sample(work, 2)));
  }
  if (candidates.empty()) return {};
  const double quickest = *std::min_element(first.begin(), first.end());
  for (size_t i = 0; i < candidates.size(); ++i) {
    running[i].repeats = std::max(1, int(effort.sample_ms / first[i]));
    const double round_ms = first[i] * (running[i].repeats + 1);
    const int rounds = first[i] > 8 * quickest ? 1 : int(effort.budget_ms / round_ms);
    running[i].rounds = std::clamp(rounds, effort.least_rounds, effort.most_rounds);
  }
  for (int round = 0; round < effort.most_rounds; ++round) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (round >= running[i].rounds) continue;
      candidates[i]();
      running[i].ms.push_back(sample(candidates[i], running[i].repeats));
    }
  }
  std::vector<Times> times;
  for (Running& r : running) {
    std::sort(r.ms.begin(), r.ms.end());
    times.push_back({r.ms.front(), r.ms[r.ms.size() / 2]});
  }
  return times;
}

}  // namespace octile::bench
