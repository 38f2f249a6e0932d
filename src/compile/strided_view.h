// A tensor whose elements are those of another, picked and put in order by strides: what reshapes,
// transposes, slices and picks of one index make. Chains of them become one layer through it.
#pragma once

#include <optional>

#include "octile/network.h"
#include "ops/rows.h"

namespace octile {

/// Element (i, j, …) is element offset + Σ index · stride of a dense tensor.
struct StridedView {
  Shape shape;
  Strides strides{};
  int64_t offset = 0;
};

/// All of a dense tensor.
StridedView view_of(const Shape& shape);

/// What `op` (Shuffle, Slice, Gather of one index, Identity) with output shape `out` makes of the
/// view; nullopt where no strides express it. `index`: a Gather's.
std::optional<StridedView> applied(const Op& op, const StridedView& view, const Shape& out,
                                   const Tensor* index);

/// The one layer that makes the view of a dense tensor of shape `from`: Identity, Slice, transpose
/// or reshape. Axes with `fixed` extents keep them whatever their extent will be (they are not
/// known yet).
std::optional<Op> one_layer(const StridedView& view, const Shape& from,
                            const std::array<bool, kMaxRank>& fixed);

}  // namespace octile
