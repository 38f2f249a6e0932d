// Which tensors may lie in the output of the concatenation that reads them, so that their makers
// write there and nothing is copied. An engine decides it on load, since it hangs on its tactics;
// plan files say nothing of it.
#pragma once

#include <functional>
#include <vector>

#include "plan/plan_data.h"

namespace octile {

/// A row is the innermost axis as stored: the channels of a pixel, mostly.
int64_t row_bytes(const PlanTensor& t);
inline int64_t row_step(const PlanTensor& t) {
  return t.row_stride > 0 ? t.row_stride : row_bytes(t);
}
inline bool has_rows_apart(const PlanTensor& t) { return row_step(t) != row_bytes(t); }

/// A tensor whose row r lies at `offset` + r · `row_stride` bytes in tensor `root`; root −1: it has
/// memory of its own.
struct Place {
  int32_t root = -1;
  int64_t offset = 0, row_stride = 0;
  bool operator==(const Place&) const = default;
};

/// What the plan's concatenations join at these shapes, late ones aside, and what of it they copy.
struct ConcatenatedBytes {
  int64_t all = 0, copied = 0;
};
ConcatenatedBytes concatenated_bytes(const PlanData& plan, std::span<const Shape> shapes,
                                     std::span<const Place> places);

/// Whether a step runs with its tensors at these places.
using StepFits = std::function<bool(size_t step, const std::vector<Place>& places)>;

/// By tensor. Takes what every step that makes or reads a tensor agrees to.
std::vector<Place> places_in_concatenations(const PlanData& plan, const StepFits& fits);

}  // namespace octile
