// See places.h.
#include "plan/places.h"

#include <algorithm>

namespace octile {
namespace {

int row_axis(const PlanTensor& t) {
  return t.layout == Layout::kChannelsLast ? 1 : t.shape.rank() - 1;
}

/// Its rows are equally long whatever the input shapes.
bool has_static_rows(const PlanTensor& t) { return t.shape.rank() > 0 && t.shape[row_axis(t)] > 0; }

/// The axis is the innermost one, or it is the outermost of more than one element: what one input
/// gives lies together, then.
enum class Joins { kRows, kWholes, kNeither };

Joins joins(const ConcatStep& concat, const PlanTensor& whole) {
  const int inner = row_axis(whole);
  if (concat.axis == inner) return Joins::kRows;
  for (int axis = 0; axis < concat.axis; ++axis) {
    const bool outside = axis != inner || whole.layout == Layout::kPlain;
    if (outside && whole.shape[axis] != 1) return Joins::kNeither;
  }
  return Joins::kWholes;
}

int64_t rows_of(const PlanTensor& t, const Shape& shape) {
  const int64_t row = row_bytes(t);
  return row > 0 ? shape.volume() * int64_t(size_of(t.type)) / row : 0;
}

class Placer {
 public:
  Placer(const PlanData& plan, const StepFits& fits)
      : plan_(plan),
        fits_(fits),
        places_(plan.tensors.size()),
        late_(late_tensors(plan)),
        fixed_(late_),
        users_(plan.tensors.size()) {
    for (const auto* list : {&plan.inputs, &plan.outputs}) {
      for (int32_t t : *list) fixed_[size_t(t)] = true;
    }
    for (size_t t = 0; t < plan.tensors.size(); ++t) {
      fixed_[t] = fixed_[t] || plan.tensors[t].blob >= 0 || !has_static_rows(plan.tensors[t]);
    }
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      for (const auto* list : {&plan.steps[s].inputs, &plan.steps[s].outputs}) {
        for (int32_t t : *list) users_[size_t(t)].push_back(s);
      }
    }
  }

  /// The last concatenations first: where the output of one is placed, its inputs go there too.
  std::vector<Place> run() {
    for (size_t s = plan_.steps.size(); s-- > 0;) {
      const PlanStep& step = plan_.steps[s];
      const auto* concat = std::get_if<ConcatStep>(&step.step);
      if (concat != nullptr && !late_[size_t(step.outputs[0])]) place_inputs(*concat, step);
    }
    return std::move(places_);
  }

 private:
  void place_inputs(const ConcatStep& concat, const PlanStep& step) {
    const int32_t y = step.outputs[0];
    const PlanTensor& whole = plan_.tensors[size_t(y)];
    if (!has_static_rows(whole)) return;
    const Joins how = joins(concat, whole);
    if (how == Joins::kNeither) return;
    if (how == Joins::kRows) try_whole(step);
    const Place& own = places_[size_t(y)];
    Place place = own.root >= 0 ? own : Place{y, 0, row_bytes(whole)};
    for (int32_t x : step.inputs) {
      const PlanTensor& part = plan_.tensors[size_t(x)];
      // What follows has no fixed offset either.
      if (how == Joins::kRows ? !has_static_rows(part) : !part.shape.is_static()) return;
      try_place(x, place);
      place.offset +=
          how == Joins::kRows ? row_bytes(part) : rows_of(part, part.shape) * place.row_stride;
    }
  }

  /// Where a later concatenation took all inputs in this order, the output is there with them.
  void try_whole(const PlanStep& step) {
    const Place first = places_[size_t(step.inputs[0])];
    Place next = first;
    for (int32_t x : step.inputs) {
      if (next.root < 0 || places_[size_t(x)] != next) return;
      next.offset += row_bytes(plan_.tensors[size_t(x)]);
    }
    try_place(step.outputs[0], first);
  }

  void try_place(int32_t x, const Place& place) {
    const PlanTensor& part = plan_.tensors[size_t(x)];
    const bool one_row = part.shape.is_static() && rows_of(part, part.shape) == 1;
    const bool close = one_row || place.row_stride == row_bytes(part);
    std::vector<int32_t> names{x};
    for (size_t i = 0; i < names.size(); ++i) {
      const auto t = size_t(names[i]);
      if (fixed_[t] || places_[t].root >= 0) return;
      for (size_t s : users_[t]) add_views(plan_.steps[s], close, names);
    }
    for (int32_t t : names) {
      places_[size_t(t)] = place;
      if (close) places_[size_t(t)].row_stride = row_bytes(plan_.tensors[size_t(t)]);
    }
    const bool fit = std::all_of(names.begin(), names.end(), [&](int32_t t) {
      const auto& users = users_[size_t(t)];
      return std::all_of(users.begin(), users.end(), [&](size_t s) { return fits_(s, places_); });
    });
    if (fit) return;
    for (int32_t t : names) places_[size_t(t)] = {};
  }

  /// Both names that a view gives the same rows: they lie at one place. So do any views of rows
  /// that lie close together.
  void add_views(const PlanStep& step, bool close, std::vector<int32_t>& names) const {
    if (!std::holds_alternative<ViewStep>(step.step)) return;
    const int32_t from = step.inputs[0], to = step.outputs[0];
    const PlanTensor &x = plan_.tensors[size_t(from)], &y = plan_.tensors[size_t(to)];
    const bool same_rows = has_static_rows(x) && has_static_rows(y) && row_bytes(x) == row_bytes(y);
    if (!close && !same_rows) return;
    for (int32_t t : {from, to}) {
      if (std::find(names.begin(), names.end(), t) == names.end()) names.push_back(t);
    }
  }

  const PlanData& plan_;
  const StepFits& fits_;
  std::vector<Place> places_;
  const std::vector<bool> late_;
  std::vector<bool> fixed_;                 // these lie elsewhere, or their rows vary
  std::vector<std::vector<size_t>> users_;  // steps that make or read a tensor
};

}  // namespace

int64_t row_bytes(const PlanTensor& t) {
  return t.shape.rank() > 0 ? t.shape[row_axis(t)] * int64_t(size_of(t.type)) : 0;
}

ConcatenatedBytes concatenated_bytes(const PlanData& plan, std::span<const Shape> shapes,
                                     std::span<const Place> places) {
  ConcatenatedBytes bytes;
  for (const PlanStep& step : plan.steps) {
    const auto* concat = std::get_if<ConcatStep>(&step.step);
    const auto y = size_t(step.outputs[0]);
    if (concat == nullptr || !shapes[y].is_static()) continue;
    const PlanTensor& whole = plan.tensors[y];
    const Place own = places[y].root >= 0 ? places[y] : Place{int32_t(y), 0, row_bytes(whole)};
    int64_t offset = own.offset;
    for (int32_t x : step.inputs) {
      const PlanTensor& t = plan.tensors[size_t(x)];
      const Shape& shape = shapes[size_t(x)];
      const auto& place = places[size_t(x)];
      const bool moves = place.root != own.root || place.offset != offset;
      const int64_t all = std::max<int64_t>(0, shape.volume()) * int64_t(size_of(t.type));
      bytes.all += all;
      bytes.copied += moves ? all : 0;
      offset +=
          joins(*concat, whole) == Joins::kRows ? row_bytes(t) : rows_of(t, shape) * own.row_stride;
    }
  }
  return bytes;
}

std::vector<Place> places_in_concatenations(const PlanData& plan, const StepFits& fits) {
  return Placer(plan, fits).run();
}

}  // namespace octile
