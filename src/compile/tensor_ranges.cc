// See tensor_ranges.h.
#include "compile/tensor_ranges.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "compile/rewrite.h"

namespace octile {
namespace {

CalibrationTable::Entry from_manual(const Range& range) {
  return {range, std::max(std::fabs(range.min), std::fabs(range.max))};
}

/// Tensors as they come to life: inputs, then outputs of layers.
std::vector<TensorId> running_order(const Network& network) {
  std::vector<TensorId> order = network.inputs();
  for (LayerId layer : network.layers()) {
    const auto& outputs = network.outputs(layer);
    order.insert(order.end(), outputs.begin(), outputs.end());
  }
  return order;
}

/// A tensor behind which a transpose moved has the values of the one that calibration saw.
std::string calibrated_name(const Network& network, TensorId tensor) {
  std::string name = network.name(tensor);
  if (name.ends_with(kUntransposed)) name.resize(name.size() - kUntransposed.size());
  return name;
}

/// Later sources beat earlier ones only if they rank higher.
enum Rank : int { kNothing, kTable, kConcatOutput, kManual, kManualConcatOutput };

}  // namespace

TensorRanges::TensorRanges(const Network& network, const std::vector<Group>& groups,
                           const CalibrationTable* table)
    : parent_(static_cast<size_t>(network.tensor_count())),
      entries_(parent_.size()),
      seen_(parent_.size()) {
  std::iota(parent_.begin(), parent_.end(), 0);
  std::vector<bool> concat_output(parent_.size(), false);
  for (const Group& group : groups) {
    if (int8_kind(network, group) != Int8Kind::kMovement) continue;
    const TensorId out = output_of(network, group);
    const bool concat = std::holds_alternative<Concatenation>(network.op(group.core));
    const auto operands = operands_of(network, group);
    const size_t count = concat ? operands.size() : 1;  // a gather's indices do not count
    for (size_t i = 0; i < count; ++i) join(operands[i], out);
    if (concat) concat_output[static_cast<size_t>(out.index)] = true;
  }
  std::vector<int> rank(parent_.size(), kNothing);
  for (TensorId tensor : running_order(network)) {
    const auto slot = static_cast<size_t>(root(tensor.index));
    const auto offer = [&](int wins, const CalibrationTable::Entry& entry) {
      if (rank[slot] >= wins) return;
      rank[slot] = wins;
      entries_[slot] = entry;
    };
    const bool concat = concat_output[static_cast<size_t>(tensor.index)];
    if (const auto manual = network.dynamic_range(tensor)) {
      offer(concat ? kManualConcatOutput : kManual, from_manual(*manual));
    }
    const auto* entry = table != nullptr ? table->find(calibrated_name(network, tensor)) : nullptr;
    if (entry != nullptr) offer(concat ? kConcatOutput : kTable, *entry);
    if (entry != nullptr && !network.dynamic_range(tensor)) {
      seen_[static_cast<size_t>(tensor.index)] = entry->seen;
    }
  }
  collect_overruled(network);
}

void TensorRanges::collect_overruled(const Network& network) {
  for (TensorId tensor : running_order(network)) {
    const auto manual = network.dynamic_range(tensor);
    if (manual && find(tensor)->range != *manual) overruled_.push_back(network.name(tensor));
  }
}

int32_t TensorRanges::root(int32_t index) const {
  while (parent_[static_cast<size_t>(index)] != index) {
    int32_t& up = parent_[static_cast<size_t>(index)];
    up = parent_[static_cast<size_t>(up)];
    index = up;
  }
  return index;
}

void TensorRanges::join(TensorId a, TensorId b) {
  const int32_t ra = root(a.index), rb = root(b.index);
  parent_[static_cast<size_t>(std::max(ra, rb))] = std::min(ra, rb);
}

int32_t TensorRanges::class_of(TensorId tensor) const { return root(tensor.index); }

std::optional<CalibrationTable::Entry> TensorRanges::find(TensorId tensor) const {
  return entries_[static_cast<size_t>(root(tensor.index))];
}

std::optional<QuantParams> TensorRanges::params(TensorId tensor, Scheme scheme) const {
  const auto entry = find(tensor);
  if (!entry) return std::nullopt;
  return is_affine(scheme) ? affine_params(entry->range.min, entry->range.max)
                           : symmetric_params(entry->threshold);
}

std::optional<QuantParams> TensorRanges::uncut_params(TensorId tensor, Scheme scheme) const {
  const std::optional<Range>& seen = seen_[static_cast<size_t>(tensor.index)];
  if (!seen) return params(tensor, scheme);
  return is_affine(scheme) ? affine_params(seen->min, seen->max)
                           : symmetric_params(std::max(std::fabs(seen->min), std::fabs(seen->max)));
}

}  // namespace octile
