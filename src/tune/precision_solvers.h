// What the two solvers of the precision problem share: the cost of one tensor, by the format of its
// producer and the set of formats that are wanted of it.
#pragma once

#include <cstddef>
#include <vector>

#include "tune/precision_problem.h"

namespace octile {

inline constexpr std::array kAllLabels{Label::kFloat, Label::kHalf, Label::kInt8};

/// A set of formats that readers want: bit l is the format of label l.
using Wants = unsigned;
inline constexpr Wants kWantsDynamic = 1u << kLabels;  // the copy quantized at run time
inline constexpr Wants kAllWants = 2 * kWantsDynamic - 1;

constexpr Wants wants(Label format) { return 1u << static_cast<unsigned>(format); }

constexpr bool can_have(const GroupCosts& group, Label label) {
  return group.cost[static_cast<size_t>(label)] != kForbidden;
}

constexpr bool is_dynamic(const GroupCosts& group, Label label) {
  return group.dynamic && label == Label::kInt8;
}

/// What a group wants of the tensors that it reads.
constexpr Wants wants_of(const GroupCosts& group, Label label) {
  return is_dynamic(group, label) ? wants(Label::kFloat) | kWantsDynamic : wants(label);
}

/// What a group's tensors are in, unless it writes another format itself.
constexpr Label format_of(const GroupCosts& group, Label label) {
  return is_dynamic(group, label) ? Label::kFloat : label;
}

int64_t tensor_cost(const TensorCosts& tensor, Label format, Wants wanted);

struct Assignment {
  std::vector<Label> labels;
  bool exact = false;  // proven to be the cheapest, and of those the first in lexicographic order
};

// REQUIRES for both: check_problem() accepts the problem.

/// A minimum cut. REQUIRES: no group can be half. Not exact where a tensor had to be approximated.
Assignment cut_labels(const PrecisionProblem& problem);  // precision_cut.cc

/// A dynamic program over the tensors that are live between two groups. Not exact where it met more
/// than `max_ways` ways to leave them; it went on with the cheapest.
Assignment frontier_labels(const PrecisionProblem& problem, size_t max_ways);  // …_frontier.cc

}  // namespace octile
