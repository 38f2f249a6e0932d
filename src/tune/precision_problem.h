// The precision of every group, chosen for the whole graph at once: what each label costs, what the
// conversions between labels cost, and the labels that are cheapest together. Pure data; nothing
// here measures. docs/precision.md derives the model and both solvers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace octile {

/// What a group runs in, and the format of a tensor. The order is that of preference among equals.
enum class Label : uint8_t { kFloat, kHalf, kInt8 };
inline constexpr int kLabels = 3;
/// A label that a group cannot have; a format that a producer cannot write.
inline constexpr int64_t kForbidden = -1;

using LabelPairs = std::array<std::array<int64_t, kLabels>, kLabels>;  // [from][to]

/// What one group of fused layers costs, by label, in nanoseconds (λ · noise included).
struct GroupCosts {
  std::array<int64_t, kLabels> cost{};  // ≥ 0, or kForbidden: refused, or fixed otherwise
  bool dynamic = false;  // in int8 it reads a copy quantized at run time, and writes float32
};

/// A tensor between groups: who makes it, who reads it, and what its conversions cost.
struct TensorCosts {
  int producer = -1;  // a group; −1: a network input, or of a layer outside: it is float32
  std::vector<int> consumers;  // groups behind the producer, ascending, distinct
  bool wants_float = false;    // a network output, or read by a layer outside
  LabelPairs convert{};        // ≥ 0; the diagonal is 0
  /// What it costs (≥ 0) a producer of format `from` to write `to` itself; kForbidden: it cannot.
  /// Only where nobody wants `from`. The diagonal is 0.
  LabelPairs write{
      {{0, kForbidden, kForbidden}, {kForbidden, 0, kForbidden}, {kForbidden, kForbidden, 0}}};
  int64_t dynamic_quantize = 0;  // the copy that dynamic groups read, from float32
};

struct PrecisionProblem {
  std::vector<GroupCosts> groups;  // in running order
  std::vector<TensorCosts> tensors;
};

/// Throws kInternal unless the problem is as its fields say, with costs that can be summed.
void check_problem(const PrecisionProblem& problem);

/// Nanoseconds of groups and conversions. Throws kInvalidArgument where a group cannot have its
/// label.
int64_t total_cost(const PrecisionProblem& problem, const std::vector<Label>& labels);

/// The cheapest labels. Of several, the first in lexicographic order: in running order, a group is
/// float rather than half rather than int8. `exact`, if given, says whether they are proven to be
/// the cheapest; they are unless a graph is too wide (docs/precision.md).
std::vector<Label> cheapest_labels(const PrecisionProblem& problem, bool* exact = nullptr);

}  // namespace octile
