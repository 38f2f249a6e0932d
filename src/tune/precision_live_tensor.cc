// The states of a live tensor, and which of them are alike.
#include "tune/precision_live_tensor.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace octile {
namespace {

constexpr int kWantSets = kAllWants + 1;

}  // namespace

LiveTensor::LiveTensor(const PrecisionProblem& problem, const TensorCosts& tensor)
    : costs_(&tensor), later_(readers() + 1), base_(readers() + 1), alike_(readers() + 1) {
  for (int s = 0; s < kStates; ++s) {
    cost_[s] = tensor_cost(tensor, static_cast<Label>(s / kWantSets), s % kWantSets);
  }
  find_later_wants(problem);
  for (size_t reads = 0; reads <= readers(); ++reads) find_alike(reads);
}

LiveTensor::State LiveTensor::first(Label format) const {
  const Wants wanted = costs_->wants_float ? wants(Label::kFloat) : 0;
  return static_cast<State>(static_cast<unsigned>(format) * kWantSets + wanted);
}

int64_t LiveTensor::most_above(State a, State b, size_t reads) const {
  int64_t most = std::numeric_limits<int64_t>::min();
  for (Wants later = 0; later <= kAllWants; ++later) {
    if (may_come(later, reads)) most = std::max(most, cost_[a | later] - cost_[b | later]);
  }
  return most - charged(a, reads) + charged(b, reads);
}

void LiveTensor::find_later_wants(const PrecisionProblem& problem) {
  later_[readers()] = 1;  // set 0 alone: nobody is left
  for (size_t r = readers(); r-- > 0;) {
    const GroupCosts& group = problem.groups[costs_->consumers[r]];
    for (const Label label : kAllLabels) {
      for (Wants later = 0; later <= kAllWants; ++later) {
        const bool possible = can_have(group, label) && may_come(later, r + 1);
        if (possible) later_[r] |= 1u << (later | wants_of(group, label));
      }
    }
    base_[r] = static_cast<Wants>(std::countr_zero(later_[r]));
  }
}

void LiveTensor::find_alike(size_t reads) {
  for (int s = 0; s < kStates; ++s) {
    const auto a = static_cast<State>(s);
    State b = 0;
    while (b < a && (most_above(a, b, reads) > 0 || most_above(b, a, reads) > 0)) ++b;
    alike_[reads][a] = b;
  }
}

}  // namespace octile
