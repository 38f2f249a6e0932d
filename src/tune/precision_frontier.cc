// Any labels: a dynamic program over the groups in running order. Between two groups, all that the
// rest of the problem needs to know is the state of each live tensor; of the ways that lead to the
// same states, the cheapest is kept. docs/precision.md derives the states and when ways are
// dropped.
#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "tune/precision_live_tensor.h"
#include "tune/precision_solvers.h"

namespace octile {
namespace {

using State = LiveTensor::State;
constexpr int kStates = LiveTensor::kStates;

/// What one group does to one tensor, by the group's label and the tensor's state.
struct Touch {
  struct Move {
    State state = 0;
    int64_t charge = 0;
  };
  size_t slot = 0;
  std::array<std::array<Move, kStates>, kLabels> moves;
};

/// A way to label the groups so far.
struct Way {
  std::string states;  // of live tensors, by slot; 0 in free slots
  int64_t cost = 0;
  uint32_t trace = 0;  // kLabels · (the way it continues, as numbered one group before) + label
};

class Frontier {
 public:
  Frontier(const PrecisionProblem& problem, size_t max_ways);
  Assignment solve();

 private:
  struct Live {
    size_t tensor = 0, slot = 0;
    size_t reads = 0;  // so far
  };

  void advance(size_t group);
  std::vector<Touch> touch_tensors(size_t group);
  size_t take_slot();
  Touch touch_of(const Live& live, const GroupCosts& group, bool made, bool opened) const;
  void offer(Way way);
  void close_tensors();
  void drop_hopeless();
  void keep_cheapest();
  std::vector<Label> trace_back() const;

  const PrecisionProblem& problem_;
  const size_t max_ways_;
  std::vector<LiveTensor> tensors_;
  std::vector<std::vector<size_t>> touched_;  // by group: the tensors that it makes or reads
  std::vector<Live> live_;
  std::vector<bool> slots_;                        // true: taken
  std::vector<Way> ways_;                          // in lexicographic order of their labels
  std::unordered_map<std::string, size_t> index_;  // of ways_, by states
  std::vector<std::vector<uint32_t>> traces_;      // by group: of each way
  bool exact_ = true;
};

Frontier::Frontier(const PrecisionProblem& problem, size_t max_ways)
    : problem_(problem), max_ways_(max_ways), touched_(problem.groups.size()), ways_(1) {
  for (size_t t = 0; t < problem.tensors.size(); ++t) {
    const TensorCosts& tensor = problem.tensors[t];
    tensors_.emplace_back(problem, tensor);
    if (tensor.producer >= 0) touched_[tensor.producer].push_back(t);
    for (const int c : tensor.consumers) touched_[c].push_back(t);
  }
}

Assignment Frontier::solve() {
  for (size_t group = 0; group < problem_.groups.size(); ++group) {
    advance(group);
    close_tensors();
    drop_hopeless();
    keep_cheapest();
    std::ranges::sort(ways_, {}, &Way::trace);
    auto& traces = traces_.emplace_back();
    for (const Way& way : ways_) traces.push_back(way.trace);
  }
  return {trace_back(), exact_};
}

void Frontier::advance(size_t group) {
  const GroupCosts& costs = problem_.groups[group];
  const std::vector<Touch> touches = touch_tensors(group);
  const std::vector<Way> before = std::exchange(ways_, {});
  index_.clear();
  for (size_t w = 0; w < before.size(); ++w) {
    for (const Label label : kAllLabels) {
      if (!can_have(costs, label)) continue;
      const auto l = static_cast<size_t>(label);
      Way way{before[w].states, before[w].cost + costs.cost[l],
              static_cast<uint32_t>(w * kLabels + l)};
      for (const Touch& touch : touches) {
        char& state = way.states[touch.slot];
        const Touch::Move move = touch.moves[l][static_cast<State>(state)];
        state = static_cast<char>(move.state);
        way.cost += move.charge;
      }
      offer(std::move(way));
    }
  }
}

std::vector<Touch> Frontier::touch_tensors(size_t group) {
  std::vector<Touch> touches;
  for (const size_t t : touched_[group]) {
    const bool made = tensors_[t].costs().producer == static_cast<int>(group);
    auto live = std::ranges::find(live_, t, &Live::tensor);
    const bool opened = live == live_.end();
    if (opened) live = live_.insert(live, {t, take_slot()});
    if (!made) ++live->reads;
    touches.push_back(touch_of(*live, problem_.groups[group], made, opened));
  }
  return touches;
}

size_t Frontier::take_slot() {
  const auto free = static_cast<size_t>(std::ranges::find(slots_, false) - slots_.begin());
  if (free == slots_.size()) {
    slots_.push_back(false);
    for (Way& way : ways_) way.states.push_back(0);
  }
  slots_[free] = true;
  return free;
}

Touch Frontier::touch_of(const Live& live, const GroupCosts& group, bool made, bool opened) const {
  const LiveTensor& tensor = tensors_[live.tensor];
  Touch touch{live.slot, {}};
  for (const Label label : kAllLabels) {
    const State first = tensor.first(made ? format_of(group, label) : Label::kFloat);
    const Wants wanted = made ? 0 : wants_of(group, label);
    for (int s = 0; s < kStates; ++s) {
      const State from = opened ? first : static_cast<State>(s);
      const State to = LiveTensor::after(from, wanted);
      const int64_t before = opened ? 0 : tensor.charged(from, live.reads - 1);
      touch.moves[static_cast<size_t>(label)][s] = {tensor.representative(to, live.reads),
                                                    tensor.charged(to, live.reads) - before};
    }
  }
  return touch;
}

/// Ways come in lexicographic order, so the first of equal cost stays.
void Frontier::offer(Way way) {
  const auto [place, is_new] = index_.try_emplace(way.states, ways_.size());
  if (is_new) {
    ways_.push_back(std::move(way));
  } else if (way.cost < ways_[place->second].cost) {
    ways_[place->second] = std::move(way);
  }
}

void Frontier::close_tensors() {
  std::erase_if(live_, [&](const Live& live) {
    const bool closed = live.reads == tensors_[live.tensor].readers();
    if (closed) slots_[live.slot] = false;  // all its states are alike: 0
    return closed;
  });
}

/// A way is hopeless if the cheapest one, with the same labels from here on, stays below it
/// whatever they are.
void Frontier::drop_hopeless() {
  const Way best = *std::ranges::min_element(ways_, {}, &Way::cost);
  std::vector<std::array<int64_t, kStates>> above(live_.size());
  for (size_t i = 0; i < live_.size(); ++i) {
    const auto state = static_cast<State>(best.states[live_[i].slot]);
    for (int s = 0; s < kStates; ++s) {
      above[i][s] =
          tensors_[live_[i].tensor].most_above(state, static_cast<State>(s), live_[i].reads);
    }
  }
  std::erase_if(ways_, [&](const Way& way) {
    int64_t reach = best.cost;
    for (size_t i = 0; i < live_.size(); ++i) {
      reach += above[i][static_cast<State>(way.states[live_[i].slot])];
    }
    return reach < way.cost;
  });
}

void Frontier::keep_cheapest() {
  if (ways_.size() <= max_ways_) return;
  exact_ = false;
  const auto end = ways_.begin() + static_cast<std::ptrdiff_t>(max_ways_);
  std::ranges::nth_element(ways_, end, {},
                           [](const Way& way) { return std::pair(way.cost, way.trace); });
  ways_.erase(end, ways_.end());
}

/// No tensor is live after the last group, so one way is left.
std::vector<Label> Frontier::trace_back() const {
  std::vector<Label> labels(problem_.groups.size());
  size_t way = 0;
  for (size_t g = labels.size(); g-- > 0;) {
    labels[g] = static_cast<Label>(traces_[g][way] % kLabels);
    way = traces_[g][way] / kLabels;
  }
  return labels;
}

}  // namespace

Assignment frontier_labels(const PrecisionProblem& problem, size_t max_ways) {
  return Frontier(problem, max_ways).solve();
}

}  // namespace octile
