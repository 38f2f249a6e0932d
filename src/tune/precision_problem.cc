// The precision problem: what a valid one is, what labels cost, and which solver answers.
#include "tune/precision_problem.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "tune/precision_solvers.h"

namespace octile {
namespace {

// Of all costs together, 36 years: sums of a few totals must fit, since the cut adds arcs up.
constexpr int64_t kMaxTotal = int64_t{1} << 60;
// Ways that the frontier program keeps between two groups: half a second for the widest networks.
constexpr size_t kMaxWays = 20000;

/// Adds costs up.
class CostSum {
 public:
  void add(int64_t cost, const char* what, size_t index, bool may_be_forbidden = false) {
    if (may_be_forbidden && cost == kForbidden) return;
    check(cost >= 0, ErrorCode::kInternal, "{} {} costs {} ns: a cost is negative", what, index,
          cost);
    check(cost <= kMaxTotal - total_, ErrorCode::kInternal,
          "{} {} costs {} ns: all costs together are beyond 2^60 ns", what, index, cost);
    total_ += cost;
  }

 private:
  int64_t total_ = 0;
};

void check_readers(const TensorCosts& tensor, size_t index, int groups) {
  int before = tensor.producer;
  check(before >= -1 && before < groups, ErrorCode::kInternal,
        "tensor {} is made by group {} of {}", index, before, groups);
  for (const int consumer : tensor.consumers) {
    check(consumer > before && consumer < groups, ErrorCode::kInternal,
          "tensor {} is read by group {} of {}, after {}: not in running order", index, consumer,
          groups, before);
    before = consumer;
  }
}

void check_conversions(const TensorCosts& tensor, size_t index, CostSum& sum) {
  for (size_t from = 0; from < kLabels; ++from) {
    check(tensor.convert[from][from] == 0 && tensor.write[from][from] == 0, ErrorCode::kInternal,
          "tensor {} pays for staying in its format", index);
    for (size_t to = 0; to < kLabels; ++to) {
      sum.add(tensor.convert[from][to], "a conversion of tensor", index);
      sum.add(tensor.write[from][to], "a fused conversion of tensor", index, true);
    }
  }
  sum.add(tensor.dynamic_quantize, "the dynamic copy of tensor", index);
}

bool is_two_label(const PrecisionProblem& problem) {
  return std::ranges::none_of(problem.groups, [](const GroupCosts& group) {  //
    return can_have(group, Label::kHalf);
  });
}

/// The sum of conversions of a tensor that is in format `from`.
int64_t conversions(const TensorCosts& tensor, size_t from, Wants wanted) {
  int64_t cost = 0;
  for (size_t to = 0; to < kLabels; ++to) {
    if (((wanted >> to) & 1) != 0) cost += tensor.convert[from][to];
  }
  return cost;
}

/// By cut; where that approximates, by the frontier, which rarely does.
Assignment solve(const PrecisionProblem& problem) {
  if (!is_two_label(problem)) return frontier_labels(problem, kMaxWays);
  Assignment cut = cut_labels(problem);
  if (cut.exact) return cut;
  Assignment frontier = frontier_labels(problem, kMaxWays);
  const bool better = total_cost(problem, frontier.labels) < total_cost(problem, cut.labels);
  return frontier.exact || better ? frontier : cut;
}

}  // namespace

void check_problem(const PrecisionProblem& problem) {
  CostSum sum;
  for (size_t g = 0; g < problem.groups.size(); ++g) {
    const auto& costs = problem.groups[g].cost;
    check(std::ranges::any_of(costs, [](int64_t cost) { return cost != kForbidden; }),
          ErrorCode::kInternal, "group {} can have no label", g);
    for (const int64_t cost : costs) sum.add(cost, "group", g, true);
  }
  for (size_t t = 0; t < problem.tensors.size(); ++t) {
    check_readers(problem.tensors[t], t, static_cast<int>(problem.groups.size()));
    check_conversions(problem.tensors[t], t, sum);
  }
}

int64_t tensor_cost(const TensorCosts& tensor, Label format, Wants wanted) {
  const auto from = static_cast<size_t>(format);
  int64_t cost = conversions(tensor, from, wanted);
  if ((wanted & wants(format)) == 0) {
    for (size_t to = 0; to < kLabels; ++to) {
      const int64_t write = tensor.write[from][to];
      if (write != kForbidden) cost = std::min(cost, write + conversions(tensor, to, wanted));
    }
  }
  return cost + ((wanted & kWantsDynamic) != 0 ? tensor.dynamic_quantize : 0);
}

int64_t total_cost(const PrecisionProblem& problem, const std::vector<Label>& labels) {
  check_problem(problem);
  check(labels.size() == problem.groups.size(), ErrorCode::kInvalidArgument,
        "{} labels were given for {} groups", labels.size(), problem.groups.size());
  int64_t total = 0;
  for (size_t g = 0; g < labels.size(); ++g) {
    check(static_cast<int>(labels[g]) < kLabels && can_have(problem.groups[g], labels[g]),
          ErrorCode::kInvalidArgument, "group {} cannot have label {}", g,
          static_cast<int>(labels[g]));
    total += problem.groups[g].cost[static_cast<size_t>(labels[g])];
  }
  for (const TensorCosts& tensor : problem.tensors) {
    Wants wanted = tensor.wants_float ? wants(Label::kFloat) : 0;
    for (const int c : tensor.consumers) wanted |= wants_of(problem.groups[c], labels[c]);
    const int p = tensor.producer;
    total += tensor_cost(tensor, p < 0 ? Label::kFloat : format_of(problem.groups[p], labels[p]),
                         wanted);
  }
  return total;
}

std::vector<Label> cheapest_labels(const PrecisionProblem& problem, bool* exact) {
  check_problem(problem);
  Assignment best = solve(problem);
  if (exact != nullptr) *exact = best.exact;
  return std::move(best.labels);
}

}  // namespace octile
