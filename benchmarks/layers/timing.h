// Timing of several candidates in turns: short samples, many of them, best and median.
#pragma once

#include <functional>
#include <vector>

namespace octile::bench {

struct Times {
  double best_ms = 0, median_ms = 0;
};

/// How long to measure: `budget_ms` a candidate, in samples of at least `sample_ms`.
struct Effort {
  double budget_ms = 60, sample_ms = 0.2;
  int least_rounds = 7, most_rounds = 60;
};

/// One Times for each candidate. Every sample follows an untimed run, so that caches and waiting
/// threads are the candidate's own; candidates take turns, so that a slow minute of the machine
/// hits all of them. One that is 8 times slower than the quickest gets the least rounds.
std::vector<Times> time_in_turns(const std::vector<std::function<void()>>& candidates,
                                 const Effort& effort);

}  // namespace octile::bench
