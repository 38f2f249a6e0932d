// Resize along one axis: where an output reads the input, and with which weights.
#pragma once

#include <array>
#include <vector>

#include "ops/families.h"

namespace octile {

struct AxisMap {
  int64_t in = 1, out = 1;
  double scale = 1.0;
  double length = 1.0;  // the output's extent before it was rounded
  double roi_start = 0.0, roi_end = 1.0;
  bool trivial() const { return in == out && scale == 1.0 && roi_start == 0.0 && roi_end == 1.0; }
};
using AxisMaps = std::array<AxisMap, kMaxRank>;
AxisMaps axis_maps(const Resize& op, const Shape& in, const Shape& out);

/// The one element that output `o` copies.
int64_t nearest_element(const Resize& op, const AxisMap& map, int64_t o);

/// Output o mixes the elements base … base + count − 1; those beside the image read its edge.
struct ResizeTaps {
  int64_t base = 0, count = 1;
  std::array<double, 4> few{1.0, 0.0, 0.0, 0.0};
  const double* many = nullptr;  // antialiasing: weights in a table
  bool outside = false;          // of the region of interest
  double weight(int64_t tap) const {
    return many != nullptr ? many[tap] : few[static_cast<size_t>(tap)];
  }
};

/// The taps of every axis. Only antialiasing allocates.
class ResizeAxes {
 public:
  ResizeAxes(const Resize& op, const Shape& in, const Shape& out);
  const AxisMap& operator[](int axis) const { return maps_[static_cast<size_t>(axis)]; }
  ResizeTaps taps(int axis, int64_t o) const;

 private:
  /// A stretched kernel's taps: `start` from the element before the coordinate, `count` of them.
  struct Stretched {
    int64_t start = 0, count = 0;
    std::vector<double> weights;  // count an output
  };
  bool stretches(const AxisMap& map) const {
    return op_.antialias && op_.kind != ResizeKind::kNearest && map.scale < 1.0 && !map.trivial();
  }
  void stretch(const AxisMap& map, Stretched& kernel) const;

  const Resize& op_;
  AxisMaps maps_;
  std::array<Stretched, kMaxRank> stretched_;
};

}  // namespace octile
