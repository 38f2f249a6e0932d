// Lifetimes → offsets in one arena, largest tensor first, into the smallest gap that fits.
#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/round_up.h"
#include "plan/keep_tensors.h"
#include "plan/places.h"

namespace octile {
namespace {

constexpr int64_t kLargestArena = int64_t{1} << 45;

/// A run of bytes that one or more tensors share (views, in-place results).
struct Slot {
  int64_t bytes = 0;
  int first = 0, last = -1;  // steps, inclusive
  int64_t offset = -1;
};

/// True when the step computes element i of its output from element i of that input, and from other
/// inputs that it does not overwrite. A residual is the second input of a convolution; those of one
/// channel a group make some outputs twice.
bool may_overwrite(const Step& step, size_t input) {
  if (const auto* conv = std::get_if<ConvStep>(&step)) {
    return conv->residual && conv->groups == 1 && input == 1;
  }
  return std::holds_alternative<EltwiseStep>(step) ||
         std::holds_alternative<ActivationStep>(step) || std::holds_alternative<LookupStep>(step);
}

/// A float convolution of an image that adds a residual: tactics add to it where it lies, or copy.
bool adds_to_residual(const PlanData& plan, const PlanStep& step) {
  const auto* conv = std::get_if<ConvStep>(&step.step);
  return conv != nullptr && conv->residual && !conv->rows &&
         plan.tensors[size_t(step.inputs[1])].type == DataType::kFloat32 &&
         plan.tensors[size_t(step.outputs[0])].type == DataType::kFloat32;
}

/// Shapes of all tensors at the corners of the profile where one extent is alone at its least or
/// largest. Operands that are equal at max may broadcast there. Empty: the plan has one shape, or
/// the corners do not fit the plan (inputs that must agree); then nothing is known but max.
struct Probes {
  bool known = true;
  std::vector<std::vector<Shape>> shapes;
};

Probes probe_shapes(const PlanData& plan, const PlanProfile& profile) {
  Probes probes;
  const auto probe = [&](size_t input, int axis, Shape PlanProfile::Bounds::*alone,
                         Shape PlanProfile::Bounds::*others) {
    std::vector<Shape> shapes;
    for (const auto& bounds : profile.inputs) shapes.push_back(bounds.*others);
    shapes[input][axis] = (profile.inputs[input].*alone)[axis];
    try {
      probes.shapes.push_back(infer_all_shapes(plan, shapes));
    } catch (const Error&) {
      probes.known = false;
    }
  };
  for (size_t i = 0; i < profile.inputs.size(); ++i) {
    const PlanProfile::Bounds& bounds = profile.inputs[i];
    for (int axis = 0; axis < bounds.min.rank(); ++axis) {
      if (bounds.min[axis] == bounds.max[axis]) continue;
      probe(i, axis, &PlanProfile::Bounds::min, &PlanProfile::Bounds::max);
      probe(i, axis, &PlanProfile::Bounds::max, &PlanProfile::Bounds::min);
    }
  }
  return probes;
}

class Planner {
 public:
  Planner(const PlanData& plan, const PlanProfile& profile, std::span<const Place> places,
          std::span<const FurtherRead> reads)
      : plan_(plan), probes_(probe_shapes(plan, profile)), places_(places.begin(), places.end()) {
    places_.resize(plan.tensors.size());
    std::vector<Shape> max;
    for (const auto& bounds : profile.inputs) max.push_back(bounds.max);
    const std::vector<Shape> shapes = infer_all_shapes(plan, max);
    const std::vector<bool> late = late_tensors(plan);
    for (size_t t = 0; t < plan.tensors.size(); ++t) {
      const auto bytes =
          (late[t] ? 0 : shapes[t].volume()) * int64_t(size_of(plan.tensors[t].type));
      bytes_.push_back(aligned(bytes));
    }
    last_use_.assign(plan.tensors.size(), -1);
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      for (int32_t t : plan.steps[s].inputs) last_use_[size_t(t)] = int(s);
    }
    for (const FurtherRead& read : reads) {
      int& last = last_use_[size_t(read.tensor)];
      last = std::max(last, int(read.step));
    }
    external_ = late;
    for (int32_t t : plan.inputs) external_[size_t(t)] = true;
    for (int32_t t : plan.outputs) external_[size_t(t)] = true;
    for (size_t t = 0; t < plan.tensors.size(); ++t) {
      if (plan.tensors[t].blob >= 0) external_[t] = true;
    }
    for (const auto& [view, read] : foreign_views(plan)) external_[size_t(view)] = true;
    last_use_of_parts_.assign(plan.tensors.size(), -1);
    for (size_t t = 0; t < plan.tensors.size(); ++t) {
      if (!is_part(t)) continue;
      const auto root = size_t(places_[t].root);
      external_[t] = external_[root];
      last_use_of_parts_[root] =
          std::max({last_use_of_parts_[root], last_use_[root], last_use_[t]});
    }
  }

  void run(PlanProfile& profile) {
    make_slots();
    place();
    profile.offsets.assign(plan_.tensors.size(), -1);
    profile.arena_bytes = 0;
    for (size_t t = 0; t < plan_.tensors.size(); ++t) {
      if (external_[t] || slot_of_[t] < 0) continue;
      const Slot& slot = slots_[size_t(slot_of_[t])];
      profile.offsets[t] = slot.offset + places_[t].offset;
      profile.arena_bytes = std::max(profile.arena_bytes, slot.offset + slot.bytes);
    }
  }

 private:
  void make_slots() {
    slot_of_.assign(plan_.tensors.size(), -1);
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      const PlanStep& step = plan_.steps[s];
      for (int32_t t : step.outputs) {
        if (external_[size_t(t)]) continue;
        const int32_t root = is_part(size_t(t)) ? places_[size_t(t)].root : t;
        const bool joined = last_use_of_parts_[size_t(root)] >= 0;
        const int shared = joined ? slot_of_[size_t(root)] : shared_slot(step, t, int(s));
        slot_of_[size_t(t)] = shared >= 0 ? shared : new_slot(int(s));
        if (joined && shared < 0) begin_joined(root, slot_of_[size_t(t)]);
        Slot& slot = slots_[size_t(slot_of_[size_t(t)])];
        slot.bytes = std::max(slot.bytes, bytes_[size_t(t)]);
        slot.last = std::max({slot.last, int(s), last_use_[size_t(t)]});
      }
    }
  }

  int new_slot(int step) {
    slots_.push_back({.bytes = 0, .first = step, .last = step});
    return int(slots_.size()) - 1;
  }

  bool is_part(size_t t) const { return places_[t].root >= 0; }

  /// From the first part on that is made, to the last that is read, all parts and the whole live.
  void begin_joined(int32_t root, int slot) {
    slot_of_[size_t(root)] = slot;
    slots_[size_t(slot)].bytes = bytes_[size_t(root)];
    slots_[size_t(slot)].last = last_use_of_parts_[size_t(root)];
  }

  /// A view shares its input's bytes; an element-wise result may overwrite an operand, and a
  /// convolution its residual, that nobody reads later, nor through another tensor of the slot.
  int shared_slot(const PlanStep& step, int32_t output, int index) const {
    if (std::holds_alternative<ViewStep>(step.step)) return slot_of_[size_t(step.inputs[0])];
    if (adds_to_residual(plan_, step)) {
      const int32_t residual = step.inputs[1];
      const int slot = slot_of_[size_t(residual)];
      const bool unread = slot >= 0 && slots_[size_t(slot)].last == index;
      const bool apart = slot != slot_of_[size_t(step.inputs[0])];
      return unread && apart && same_elements(residual, output, true) ? slot : -1;
    }
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (!may_overwrite(step.step, i)) continue;
      const int32_t input = step.inputs[i];
      const int slot = slot_of_[size_t(input)];
      // Vendors' float kernels may write over their first operand only.
      const bool first = input == step.inputs[0];
      if (slot < 0 || slots_[size_t(slot)].last != index) continue;
      if (std::holds_alternative<ConvStep>(step.step) && slot == slot_of_[size_t(step.inputs[0])]) {
        continue;
      }
      if (!same_elements(input, output, step.inputs.size() > 1)) continue;
      const bool floats = plan_.tensors[size_t(input)].type == DataType::kFloat32;
      const bool twice = std::count(step.inputs.begin(), step.inputs.end(), input) > 1;
      if (!twice && (first || !floats)) return slot;
    }
    return -1;
  }

  /// Element i of one lies where element i of the other does, whatever the input shapes.
  bool same_elements(int32_t input, int32_t output, bool may_broadcast) const {
    const PlanTensor& from = plan_.tensors[size_t(input)];
    const PlanTensor& to = plan_.tensors[size_t(output)];
    if (is_part(size_t(input)) || bytes_[size_t(input)] != bytes_[size_t(output)] ||
        from.shape != to.shape || from.layout != to.layout ||
        size_of(from.type) != size_of(to.type)) {
      return false;
    }
    if (!may_broadcast || from.shape.is_static()) return true;
    return probes_.known && std::all_of(probes_.shapes.begin(), probes_.shapes.end(),
                                        [&](const std::vector<Shape>& shapes) {
                                          return shapes[size_t(input)] == shapes[size_t(output)];
                                        });
  }

  void place() {
    std::vector<size_t> order(slots_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [this](size_t a, size_t b) { return slots_[a].bytes > slots_[b].bytes; });
    std::vector<size_t> placed;
    for (size_t s : order) {
      slots_[s].offset = best_gap(slots_[s], placed);
      check(slots_[s].offset <= kLargestArena - slots_[s].bytes, ErrorCode::kUnsupported,
            "plan '{}' needs an arena of more than {} TiB; lower the profile's max shapes",
            plan_.name, kLargestArena >> 40);
      placed.push_back(s);
    }
  }

  int64_t best_gap(const Slot& slot, const std::vector<size_t>& placed) const {
    std::vector<std::pair<int64_t, int64_t>> busy;  // [begin, end) of slots alive together
    for (size_t p : placed) {
      const Slot& other = slots_[p];
      if (other.first <= slot.last && slot.first <= other.last) {
        busy.emplace_back(other.offset, other.offset + other.bytes);
      }
    }
    std::sort(busy.begin(), busy.end());
    int64_t best = -1, best_size = 0, end = 0;
    for (const auto& [from, to] : busy) {
      const int64_t gap = from - end;
      if (gap >= slot.bytes && (best < 0 || gap < best_size)) {
        best = end;
        best_size = gap;
      }
      end = std::max(end, to);
    }
    return best >= 0 ? best : end;
  }

  const PlanData& plan_;
  const Probes probes_;
  std::vector<Place> places_;           // by tensor
  std::vector<int> last_use_of_parts_;  // by root, its own included; −1: it has none
  std::vector<int64_t> bytes_;
  std::vector<int> last_use_, slot_of_;
  std::vector<bool> external_;
  std::vector<Slot> slots_;
};

}  // namespace

std::vector<std::pair<int32_t, int32_t>> foreign_views(const PlanData& plan) {
  std::vector<bool> foreign(plan.tensors.size(), false), output(plan.tensors.size(), false);
  for (size_t t = 0; t < plan.tensors.size(); ++t) foreign[t] = plan.tensors[t].blob >= 0;
  for (const int32_t t : plan.inputs) foreign[size_t(t)] = true;
  for (const int32_t t : plan.outputs) output[size_t(t)] = true;
  std::vector<std::pair<int32_t, int32_t>> views;
  for (const PlanStep& step : plan.steps) {
    if (!std::holds_alternative<ViewStep>(step.step)) continue;
    const int32_t from = step.inputs[0], to = step.outputs[0];
    if (!foreign[size_t(from)] || output[size_t(to)]) continue;
    foreign[size_t(to)] = true;
    views.emplace_back(to, from);
  }
  return views;
}

void plan_memory(const PlanData& plan, PlanProfile& profile, std::span<const Place> places,
                 std::span<const FurtherRead> reads) {
  Planner(plan, profile, places, reads).run(profile);
}

void plan_memory_without_reuse(const PlanData& plan, PlanProfile& profile) {
  std::vector<Shape> max;
  for (const auto& bounds : profile.inputs) max.push_back(bounds.max);
  const auto shapes = infer_all_shapes(plan, max);
  profile.offsets.assign(plan.tensors.size(), -1);
  profile.arena_bytes = 0;
  profile.keeps_offsets = true;
  const std::vector<bool> late = late_tensors(plan);
  const auto external = [&](size_t t) {
    const auto is = [&](int32_t i) { return size_t(i) == t; };
    return late[t] || plan.tensors[t].blob >= 0 ||
           std::any_of(plan.inputs.begin(), plan.inputs.end(), is) ||
           std::any_of(plan.outputs.begin(), plan.outputs.end(), is);
  };
  for (size_t t = 0; t < plan.tensors.size(); ++t) {
    if (external(t)) continue;
    profile.offsets[t] = profile.arena_bytes;
    const auto bytes = shapes[t].volume() * int64_t(size_of(plan.tensors[t].type));
    profile.arena_bytes += aligned(bytes);
  }
}

}  // namespace octile
