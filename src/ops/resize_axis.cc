// See resize_axis.h. Everything in binary64, from the given scales, or out/in without any.
#include "ops/resize_axis.h"

#include <algorithm>
#include <cmath>

#include "ops/interpolation.h"

namespace octile {
namespace {

double coordinate(ResizeCoordinates coordinates, const AxisMap& map, int64_t o) {
  const auto at = static_cast<double>(o);
  const double half_pixel = (at + 0.5) / map.scale - 0.5, last = static_cast<double>(map.in - 1);
  switch (coordinates) {
    case ResizeCoordinates::kHalfPixel: return half_pixel;
    case ResizeCoordinates::kAsymmetric: return at / map.scale;
    case ResizeCoordinates::kAlignCorners:
      return map.length <= 1.0 ? 0.0 : at * last / (map.length - 1.0);
    case ResizeCoordinates::kPytorchHalfPixel: return map.out <= 1 ? 0.0 : half_pixel;
    case ResizeCoordinates::kTfHalfPixelForNn: return (at + 0.5) / map.scale;
    case ResizeCoordinates::kTfCropAndResize: {
      const double start = map.roi_start * last, end = map.roi_end * last;
      if (map.length <= 1.0) return 0.5 * (start + end);
      return start + at * (end - start) / (map.length - 1.0);
    }
    case ResizeCoordinates::kHalfPixelSymmetric: {
      const double rounding = static_cast<double>(map.out) / map.length;
      return half_pixel + static_cast<double>(map.in) / 2.0 * (1.0 - rounding);
    }
  }
  return at;
}

double round_by(ResizeRounding rounding, double x) {
  switch (rounding) {
    case ResizeRounding::kRoundPreferFloor: return std::ceil(x - 0.5);
    case ResizeRounding::kRoundPreferCeil: return std::floor(x + 0.5);
    case ResizeRounding::kFloor: return std::floor(x);
    case ResizeRounding::kCeil: return std::ceil(x);
  }
  return x;
}

int64_t rounded(const Resize& op, const AxisMap& map, double x) {
  return static_cast<int64_t>(
      std::clamp(round_by(op.rounding, x), 0.0, static_cast<double>(map.in - 1)));
}

/// With exclude_outside, taps beside the image weigh nothing. The rest add up to 1; when nothing is
/// left, all stays as it was.
void normalize(double* weights, int64_t base, int64_t count, int64_t extent, bool exclude) {
  const auto counts = [&](int64_t i) { return !exclude || (base + i >= 0 && base + i < extent); };
  double sum = 0.0;
  for (int64_t i = 0; i < count; ++i) sum += counts(i) ? weights[i] : 0.0;
  if (sum == 0.0) return;
  for (int64_t i = 0; i < count; ++i) weights[i] = counts(i) ? weights[i] / sum : 0.0;
}

ResizeTaps linear_taps(const AxisMap& map, double x) {
  x = std::clamp(x, 0.0, static_cast<double>(map.in - 1));
  ResizeTaps taps;
  taps.base = static_cast<int64_t>(x);
  const double fraction = x - static_cast<double>(taps.base);
  taps.count = fraction == 0.0 ? 1 : 2;
  taps.few = {1.0 - fraction, fraction, 0.0, 0.0};
  return taps;
}

ResizeTaps cubic_taps(const Resize& op, const AxisMap& map, double x) {
  const double floor = std::floor(x);
  ResizeTaps taps;
  taps.base = static_cast<int64_t>(floor) - 1;
  taps.count = 4;
  taps.few = cubic_weights(x - floor, static_cast<double>(op.cubic_coefficient));
  if (op.exclude_outside) normalize(taps.few.data(), taps.base, 4, map.in, true);
  return taps;
}

}  // namespace

AxisMaps axis_maps(const Resize& op, const Shape& in, const Shape& out) {
  AxisMaps maps{};
  for (int axis = 0; axis < in.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    AxisMap& map = maps[a];
    map.in = in[axis];
    map.out = out[axis];
    map.length = static_cast<double>(map.out);
    if (in[axis] == 0) continue;
    map.scale = map.length / static_cast<double>(map.in);
    if (!op.scales.empty()) {  // in binary32, as the rounded extent
      map.scale = static_cast<double>(op.scales[a]);
      map.length = static_cast<double>(static_cast<float>(map.in) * op.scales[a]);
    }
    if (op.coordinates == ResizeCoordinates::kTfCropAndResize) {
      map.roi_start = static_cast<double>(op.roi[a]);
      map.roi_end = static_cast<double>(op.roi[a + op.roi.size() / 2]);
    }
  }
  return maps;
}

int64_t nearest_element(const Resize& op, const AxisMap& map, int64_t o) {
  return map.trivial() ? o : rounded(op, map, coordinate(op.coordinates, map, o));
}

ResizeAxes::ResizeAxes(const Resize& op, const Shape& in, const Shape& out)
    : op_(op), maps_(axis_maps(op, in, out)) {
  for (int axis = 0; axis < in.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    if (stretches(maps_[a])) stretch(maps_[a], stretched_[a]);
  }
}

void ResizeAxes::stretch(const AxisMap& map, Stretched& kernel) const {
  const bool linear = op_.kind == ResizeKind::kLinear;
  const double radius = linear ? 1.0 : 2.0;
  const double start = std::floor(-radius / map.scale) + 1.0;
  kernel.start = static_cast<int64_t>(start);
  kernel.count = 2 - 2 * kernel.start;
  kernel.weights.resize(static_cast<size_t>(kernel.count * map.out));
  double* weights = kernel.weights.data();
  for (int64_t o = 0; o < map.out; ++o, weights += kernel.count) {
    const double x = coordinate(op_.coordinates, map, o), floor = std::floor(x);
    for (int64_t i = 0; i < kernel.count; ++i) {
      const double distance = (static_cast<double>(kernel.start + i) - (x - floor)) * map.scale;
      weights[i] = linear ? std::max(0.0, 1.0 - std::fabs(distance))
                          : cubic_kernel(distance, static_cast<double>(op_.cubic_coefficient));
    }
    const bool inside = x >= 0.0 && x <= static_cast<double>(map.in);
    const int64_t base = inside ? static_cast<int64_t>(floor) + kernel.start : kernel.start;
    normalize(weights, base, kernel.count, map.in, op_.exclude_outside && inside);
  }
}

ResizeTaps ResizeAxes::taps(int axis, int64_t o) const {
  const AxisMap& map = (*this)[axis];
  ResizeTaps taps;
  taps.base = o;
  if (map.trivial()) return taps;
  const double x = coordinate(op_.coordinates, map, o);
  if (op_.coordinates == ResizeCoordinates::kTfCropAndResize) {
    taps.outside = !(x >= 0.0 && x <= static_cast<double>(map.in - 1));  // NaN is outside
    if (taps.outside) return taps;
  }
  if (op_.kind == ResizeKind::kNearest) {
    taps.base = rounded(op_, map, x);
    return taps;
  }
  if (stretches(map)) {
    const Stretched& kernel = stretched_[static_cast<size_t>(axis)];
    taps.base = static_cast<int64_t>(std::floor(x)) + kernel.start;
    taps.count = kernel.count;
    taps.many = kernel.weights.data() + o * kernel.count;
    return taps;
  }
  return op_.kind == ResizeKind::kLinear ? linear_taps(map, x) : cubic_taps(op_, map, x);
}

}  // namespace octile
