// What portable kernels know about tensors: 8-bit access by type, layouts, clamps and grains.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "arithmetic/quantize.h"
#include "backend/backend.h"
#include "kernels/step_forms.h"

namespace octile::portable {

/// Output channels that float convolutions sum at once.
inline constexpr int64_t kLanes = 32;

using forms::highest;
using forms::is_image;
using forms::is_plain;
using forms::lowest;

/// Element `i` of an int8 or uint8 tensor.
inline int32_t load_8bit(const void* data, DataType type, int64_t i) {
  return type == DataType::kUInt8 ? int32_t{static_cast<const uint8_t*>(data)[i]}
                                  : int32_t{static_cast<const int8_t*>(data)[i]};
}
/// REQUIRES: `q` fits the type. The byte is the same for both types.
inline void store_8bit(void* data, int64_t i, int32_t q) {
  static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(q);
}

/// Calls f with a null pointer of the 8-bit type's C++ type.
template <typename F>
auto by_8bit_type(DataType type, F&& f) {
  return type == DataType::kUInt8 ? f(static_cast<const uint8_t*>(nullptr))
                                  : f(static_cast<const int8_t*>(nullptr));
}

/// The clamp of float steps; NaN stays NaN.
inline float clamp_float(float v, float lo, float hi) {
  v = v < lo ? lo : v;
  return v > hi ? hi : v;
}

/// The tensor's axes in stored order, outermost first.
inline std::array<int, kMaxRank> stored_axes(const PlanTensor& t) {
  std::array<int, kMaxRank> axes{};
  const int rank = t.shape.rank();
  const bool last = t.layout == Layout::kChannelsLast;
  size_t slot = 0;
  for (int axis = 0; axis < rank; ++axis) {
    if (!last || axis != 1) axes[slot++] = axis;
  }
  if (last) axes[slot] = 1;
  return axes;
}

/// Elements between neighbours along each logical axis, as stored.
inline std::array<int64_t, kMaxRank> stored_strides(const PlanTensor& t) {
  const auto axes = stored_axes(t);
  std::array<int64_t, kMaxRank> strides{};
  int64_t step = 1;
  for (int slot = t.shape.rank() - 1; slot >= 0; --slot) {
    const int axis = axes[static_cast<size_t>(slot)];
    strides[static_cast<size_t>(axis)] = step;
    const bool row = slot == t.shape.rank() - 1 && t.row_stride > 0;
    step = row ? t.row_stride / static_cast<int64_t>(size_of(t.type)) : step * t.shape[axis];
  }
  return strides;
}

/// A tensor as (samples, channels, pixels), which is all that layouts distinguish.
struct Planes {
  int64_t n = 1, c = 1, s = 1;  // extents
  static Planes of(const Shape& shape) {
    Planes p;
    if (shape.rank() > 0) p.n = shape[0];
    if (shape.rank() > 1) p.c = shape[1];
    for (int axis = 2; axis < shape.rank(); ++axis) p.s *= shape[axis];
    return p;
  }
  int64_t sample() const { return c * s; }
  /// Where element (channel, pixel) of a sample lies.
  int64_t at(Layout layout, int64_t channel, int64_t pixel) const {
    return layout == Layout::kPlain ? channel * s + pixel : pixel * c + channel;
  }
};

/// Items of a parallel loop that together are worth a thread's while.
inline int64_t grain_for(int64_t work_per_item) {
  constexpr int64_t kWork = 1 << 14;
  return work_per_item >= kWork ? 1 : kWork / std::max<int64_t>(1, work_per_item) + 1;
}

}  // namespace octile::portable
