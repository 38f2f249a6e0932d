// See strided_view.h. Extents that are not known stand in as primes: see pass_movement.cc.
#include "compile/strided_view.h"

#include <algorithm>

#include "ops/ops.h"

namespace octile {
namespace {

size_t at(int axis) { return static_cast<size_t>(axis); }

StridedView permuted(const StridedView& view, const std::vector<int64_t>& order) {
  if (order.empty()) return view;
  StridedView result{.shape = {}, .strides = {}, .offset = view.offset};
  for (size_t i = 0; i < order.size(); ++i) {
    result.shape.push_back(view.shape[static_cast<int>(order[i])]);
    result.strides[i] = view.strides[at(static_cast<int>(order[i]))];
  }
  return result;
}

/// Axes without those of extent 1, and neighbours that are one run of elements joined.
StridedView merged(const StridedView& view) {
  StridedView runs{.shape = {}, .strides = {}, .offset = view.offset};
  for (int axis = 0; axis < view.shape.rank(); ++axis) {
    const int64_t extent = view.shape[axis], stride = view.strides[at(axis)];
    const int last = runs.shape.rank() - 1;
    if (extent == 1) continue;
    if (last >= 0 && runs.strides[at(last)] == extent * stride) {
      runs.shape[last] *= extent;
      runs.strides[at(last)] = stride;
    } else {
      runs.strides[at(last + 1)] = stride;
      runs.shape.push_back(extent);
    }
  }
  return runs;
}

/// The view under another shape, where every new axis lies inside one run of elements.
std::optional<StridedView> reshaped(const StridedView& view, const Shape& shape) {
  if (shape.volume() == 0) return std::nullopt;
  const StridedView runs = merged(view);
  StridedView result{.shape = shape, .strides = {}, .offset = view.offset};
  int run = runs.shape.rank() - 1;
  int64_t left = run >= 0 ? runs.shape[run] : 1, step = run >= 0 ? runs.strides[at(run)] : 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] == 1) continue;
    if (left == 1 && run > 0) {
      --run;
      left = runs.shape[run];
      step = runs.strides[at(run)];
    }
    if (left % shape[axis] != 0) return std::nullopt;
    result.strides[at(axis)] = step;
    left /= shape[axis];
    step *= shape[axis];
  }
  return result;
}

std::optional<StridedView> sliced(const Slice& op, StridedView view, const Shape& out) {
  for (size_t i = 0; i < op.start.size(); ++i) {
    const auto axis =
        static_cast<int>(op.axes.empty() ? static_cast<int64_t>(i)
                                         : op.axes[i] + (op.axes[i] < 0 ? view.shape.rank() : 0));
    const int64_t start = op.start[i] + (op.start[i] < 0 ? view.shape[axis] : 0);
    view.offset += start * view.strides[at(axis)];
    view.strides[at(axis)] *= op.stride.empty() ? 1 : op.stride[i];
  }
  view.shape = out;
  return view;
}

/// A Gather of one index takes a slice of extent 1, whose axis becomes the index's shape.
std::optional<StridedView> picked(const Gather& op, StridedView view, const Shape& out,
                                  const Tensor* index) {
  if (index == nullptr || index->volume() != 1) return std::nullopt;
  const auto axis = static_cast<int>(op.axis + (op.axis < 0 ? view.shape.rank() : 0));
  const int64_t value = index->cast(DataType::kInt64).as<int64_t>()[0];
  view.offset += (value + (value < 0 ? view.shape[axis] : 0)) * view.strides[at(axis)];
  view.shape[axis] = 1;
  return reshaped(view, out);
}

/// As start, size and stride on each axis of the source.
std::optional<Op> as_slice(const StridedView& view, const Shape& from,
                           const std::array<bool, kMaxRank>& fixed) {
  if (view.shape.rank() != from.rank()) return std::nullopt;
  const Strides dense = dense_strides(from);
  Slice op;
  int64_t rest = view.offset;
  for (int axis = 0; axis < from.rank(); ++axis) {
    const int64_t size = view.shape[axis], start = rest / dense[at(axis)];
    rest %= dense[at(axis)];
    const int64_t step = size == 1 ? 1 : view.strides[at(axis)] / dense[at(axis)];
    const int64_t last = start + (size - 1) * step;
    if (size > 1 && (step == 0 || view.strides[at(axis)] % dense[at(axis)] != 0)) {
      return std::nullopt;
    }
    if (std::min(start, last) < 0 || std::max(start, last) >= from[axis]) return std::nullopt;
    if (size == from[axis] && step == 1) continue;
    if (fixed[at(axis)]) return std::nullopt;
    op.axes.push_back(axis);
    op.start.push_back(start);
    op.size.push_back(size);
    op.stride.push_back(step);
  }
  return op.axes.empty() ? Op(Identity{}) : Op(std::move(op));
}

/// The source's axes in another order; nullopt where the view is no transpose of all of it.
std::optional<std::vector<int64_t>> as_transpose(const StridedView& view, const Shape& from) {
  if (view.shape.rank() != from.rank() || view.offset != 0) return std::nullopt;
  const Strides dense = dense_strides(from);
  std::vector<int64_t> order;
  std::array<bool, kMaxRank> taken{};
  for (int axis = 0; axis < from.rank(); ++axis) {
    int source = 0;
    const auto same = [&](int candidate) {
      const bool extent = !taken[at(candidate)] && from[candidate] == view.shape[axis];
      return extent && (view.shape[axis] == 1 || dense[at(candidate)] == view.strides[at(axis)]);
    };
    while (source < from.rank() && !same(source)) ++source;
    if (source == from.rank()) return std::nullopt;
    taken[at(source)] = true;
    order.push_back(source);
  }
  return order;
}

/// Extents for a Shuffle: those that are not known yet are copied, or one is inferred.
bool name_unknown(std::vector<int64_t>& dims, const Shape& from,
                  const std::array<bool, kMaxRank>& fixed) {
  int inferred = 0;
  for (size_t i = 0; i < dims.size(); ++i) {
    bool unknown = false;
    for (int axis = 0; axis < from.rank(); ++axis) {
      unknown = unknown || (fixed[at(axis)] && dims[i] % from[axis] == 0);
    }
    if (!unknown) continue;
    const bool copied = i < at(from.rank()) && fixed[i] && dims[i] == from[static_cast<int>(i)];
    dims[i] = copied ? 0 : -1;
    inferred += copied ? 0 : 1;
  }
  return inferred <= 1;
}

/// As a reshape: all elements in their order. (A reshape with a transpose is two layers, of which
/// one is free.)
std::optional<Op> as_reshape(const StridedView& view, const Shape& from,
                             const std::array<bool, kMaxRank>& fixed) {
  int64_t step = 1;
  for (int axis = view.shape.rank() - 1; axis >= 0; --axis) {
    if (view.shape[axis] == 1) continue;
    if (view.strides[at(axis)] != step) return std::nullopt;
    step *= view.shape[axis];
  }
  if (view.offset != 0 || step != from.volume()) return std::nullopt;
  Shuffle op;
  op.has_reshape = true;
  op.dims = view.shape.to_vector();
  if (!name_unknown(op.dims, from, fixed)) return std::nullopt;
  return op;
}

}  // namespace

StridedView view_of(const Shape& shape) {
  return {.shape = shape, .strides = dense_strides(shape), .offset = 0};
}

std::optional<StridedView> applied(const Op& op, const StridedView& view, const Shape& out,
                                   const Tensor* index) {
  if (const auto* shuffle = std::get_if<Shuffle>(&op)) {
    std::optional<StridedView> result = permuted(view, shuffle->first);
    if (shuffle->has_reshape) {
      Shape middle = out;  // before the second transpose
      for (size_t i = 0; i < shuffle->second.size(); ++i) {
        middle[static_cast<int>(shuffle->second[i])] = out[static_cast<int>(i)];
      }
      result = reshaped(*result, middle);
    }
    return result ? permuted(*result, shuffle->second) : result;
  }
  if (const auto* slice = std::get_if<Slice>(&op)) return sliced(*slice, view, out);
  if (const auto* gather = std::get_if<Gather>(&op)) return picked(*gather, view, out, index);
  if (std::holds_alternative<Identity>(op)) return view;
  return std::nullopt;
}

std::optional<Op> one_layer(const StridedView& view, const Shape& from,
                            const std::array<bool, kMaxRank>& fixed) {
  if (auto op = as_slice(view, from, fixed)) return op;
  if (auto order = as_transpose(view, from)) {
    Shuffle op;
    op.first = std::move(*order);
    return op;
  }
  return as_reshape(view, from, fixed);
}

}  // namespace octile
