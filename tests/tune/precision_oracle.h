// Random precision problems, and the oracle of their costs: every rule of docs/precision.md spelled
// out anew, and exhaustive search. Shares nothing with the solvers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "support/tensors.h"
#include "tune/precision_problem.h"

namespace octile::test {

inline constexpr Label F = Label::kFloat, H = Label::kHalf, I = Label::kInt8;

using Labels = std::vector<Label>;

inline std::string text(const Labels& labels) {
  std::string s;
  for (const Label label : labels) s += "FHI"[static_cast<int>(label)];
  return s;
}

/// The cost of one tensor whose producer is in format p: try everything that can be written.
inline int64_t oracle_tensor(const TensorCosts& t, int p, const bool (&wanted)[3], bool dynamic) {
  int64_t best = INT64_MAX;
  for (int written = 0; written < 3; ++written) {
    if (written != p && (wanted[p] || t.write[p][written] < 0)) continue;
    int64_t cost = written == p ? 0 : t.write[p][written];
    for (int g = 0; g < 3; ++g) {
      if (wanted[g] && g != written) cost += t.convert[written][g];
    }
    best = std::min(best, cost);
  }
  if (!wanted[0] && !wanted[1] && !wanted[2]) best = 0;
  return best + (dynamic ? t.dynamic_quantize : 0);
}

inline int64_t oracle_cost(const PrecisionProblem& problem, const Labels& labels) {
  int64_t cost = 0;
  for (size_t g = 0; g < labels.size(); ++g) cost += problem.groups[g].cost[int(labels[g])];
  for (const TensorCosts& t : problem.tensors) {
    bool wanted[3] = {t.wants_float, false, false}, dynamic = false;
    for (const int c : t.consumers) {
      if (problem.groups[c].dynamic && labels[c] == I) {
        wanted[0] = dynamic = true;
      } else {
        wanted[int(labels[c])] = true;
      }
    }
    const bool writes_float =
        t.producer < 0 || (problem.groups[t.producer].dynamic && labels[t.producer] == I);
    cost += oracle_tensor(t, writes_float ? 0 : int(labels[t.producer]), wanted, dynamic);
  }
  return cost;
}

/// Counts through all allowed labels in lexicographic order; the first of the cheapest.
inline Labels exhaustive(const PrecisionProblem& problem) {
  const size_t n = problem.groups.size();
  const auto next = [&](size_t g, int after) {  // the next allowed label of a group, or 3
    do ++after;
    while (after < 3 && problem.groups[g].cost[after] < 0);
    return after;
  };
  Labels labels(n), best;
  for (size_t g = 0; g < n; ++g) labels[g] = Label(next(g, -1));
  int64_t least = INT64_MAX;
  while (true) {
    const int64_t cost = oracle_cost(problem, labels);
    if (cost < least) {
      least = cost;
      best = labels;
    }
    size_t g = n;
    while (g > 0 && next(g - 1, int(labels[g - 1])) == 3) {
      labels[g - 1] = Label(next(g - 1, -1));
      --g;
    }
    if (g == 0) return best;
    labels[g - 1] = Label(next(g - 1, int(labels[g - 1])));
  }
}

/// What random problems are made of.
struct Mix {
  int groups = 8;
  int max_cost = 6;  // of a conversion; a group costs up to twice as much. Small: ties are many
  bool half = false, fused = false, dynamic = false, fixed = false;
  int width = 0;  // only the newest so many tensors are read; 0: all
};

inline TensorCosts random_costs(Random& random, const Mix& mix) {
  TensorCosts t;
  for (int from = 0; from < 3; ++from) {
    for (int to = 0; to < 3; ++to) {
      if (from == to) continue;
      t.convert[from][to] = random.integer(0, mix.max_cost);
      if (mix.fused && random.integer(0, 1) != 0) {
        t.write[from][to] = random.integer(0, mix.max_cost);
      }
    }
  }
  t.dynamic_quantize = random.integer(0, mix.max_cost);
  return t;
}

inline GroupCosts random_group(Random& random, const Mix& mix) {
  GroupCosts group;
  for (auto& cost : group.cost) cost = random.integer(0, 2 * mix.max_cost);
  if (!mix.half) group.cost[1] = kForbidden;
  group.dynamic = mix.dynamic && random.integer(0, 3) == 0;
  if (mix.fixed && random.integer(0, 2) == 0) {
    const auto keep = random.integer(0, 2);
    if (group.cost[keep] >= 0) {
      for (int l = 0; l < 3; ++l) {
        if (l != keep && random.integer(0, 2) != 0) group.cost[l] = kForbidden;
      }
    }
  }
  return group;
}

/// Groups that read one to three tensors (chains, residuals, shared ones) and make one or two.
inline PrecisionProblem random_problem(Random& random, const Mix& mix) {
  PrecisionProblem problem;
  auto& tensors = problem.tensors;
  tensors.push_back(random_costs(random, mix));
  for (int g = 0; g < mix.groups; ++g) {
    problem.groups.push_back(random_group(random, mix));
    const auto made = static_cast<int64_t>(tensors.size());
    const int64_t oldest = mix.width == 0 ? 0 : std::max<int64_t>(0, made - mix.width);
    std::set<int64_t> reads{random.integer(0, 1) != 0 ? made - 1
                                                      : random.integer(oldest, made - 1)};
    while (random.integer(0, 2) == 0) reads.insert(random.integer(oldest, made - 1));
    for (const int64_t t : reads) tensors[t].consumers.push_back(g);
    for (int64_t more = random.integer(0, 7) == 0 ? 2 : 1; more > 0; --more) {
      tensors.push_back(random_costs(random, mix));
      tensors.back().producer = g;
    }
  }
  for (TensorCosts& t : tensors) {
    t.wants_float = random.integer(0, 7) == 0 || (t.consumers.empty() && random.integer(0, 3) != 0);
  }
  return problem;
}

/// The problem in words, for the message of a failure.
inline std::string describe(const PrecisionProblem& problem) {
  std::string s;
  const auto row = [&](const std::array<int64_t, 3>& costs) {
    for (const int64_t c : costs) s += ' ' + std::to_string(c);
    s += ',';
  };
  for (const GroupCosts& group : problem.groups) {
    s += group.dynamic ? "\ndynamic group" : "\ngroup";
    row(group.cost);
  }
  for (const TensorCosts& t : problem.tensors) {
    s += "\ntensor of " + std::to_string(t.producer) + " for";
    for (const int c : t.consumers) s += ' ' + std::to_string(c);
    s += t.wants_float ? " and out: convert" : ": convert";
    for (const auto& costs : t.convert) row(costs);
    s += " write";
    for (const auto& costs : t.write) row(costs);
    s += " dynamic " + std::to_string(t.dynamic_quantize);
  }
  return s;
}

}  // namespace octile::test
