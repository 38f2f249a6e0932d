// A tensor between its first and its last reader, as the frontier program sees it: few states, each
// with all that later readers need to know of the earlier ones.
#pragma once

#include "tune/precision_solvers.h"

namespace octile {

/// A LiveTensor has states: the format of its producer and what its readers so far want of it. Two
/// states are alike after so many readers if no labels of the later ones tell them apart.
class LiveTensor {
 public:
  using State = uint8_t;  // format · sets of wants + set
  static constexpr int kStates = kLabels * (kAllWants + 1);

  LiveTensor(const PrecisionProblem& problem, const TensorCosts& tensor);

  const TensorCosts& costs() const { return *costs_; }
  size_t readers() const { return costs_->consumers.size(); }
  State first(Label format) const;  // before any reader
  static State after(State state, Wants wanted) { return static_cast<State>(state | wanted); }

  // After `reads` readers:
  /// The state that stands for all that are like this one.
  State representative(State state, size_t reads) const { return alike_[reads][state]; }
  /// What the tensor costs if the later readers want the first of the sets that they can want.
  int64_t charged(State state, size_t reads) const { return cost_[state | base_[reads]]; }
  /// How much more state a can add to what is charged than state b, at most, or less if negative.
  int64_t most_above(State a, State b, size_t reads) const;

 private:
  void find_later_wants(const PrecisionProblem& problem);
  void find_alike(size_t reads);
  bool may_come(Wants later, size_t reads) const { return ((later_[reads] >> later) & 1) != 0; }

  const TensorCosts* costs_;
  std::array<int64_t, kStates> cost_{};
  // By the number of readers so far:
  std::vector<uint32_t> later_;  // the sets that the later readers can want together, one bit each
  std::vector<Wants> base_;      // the first of them
  std::vector<std::array<State, kStates>> alike_;
};

}  // namespace octile
