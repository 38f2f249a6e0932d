// GridSample: an image read at the points of a grid, over one to three spatial axes. As in ONNX, a
// point beside the image is first moved to its border or its mirror image, where asked for; then
// the taps around it are placed in the same way. Weights and sums are binary64.
#include <algorithm>
#include <cmath>

#include "base/parallel_for.h"
#include "ops/interpolation.h"
#include "ops/sum_tile.h"
#include "ops/window.h"

namespace octile {
namespace {

constexpr double kFar = 0x1p40;  // beyond every image, and safe to turn into an integer
constexpr double kCubicCoefficient = -0.75;

/// GridTaps of one point on one axis; those beside a zero-padded image are left out.
struct GridTaps {
  int count = 0;
  std::array<int64_t, 4> index{};
  std::array<double, 4> weight{};
  void add(int64_t at, double w) {
    index[static_cast<size_t>(count)] = at;
    weight[static_cast<size_t>(count++)] = w;
  }
};

double reflected(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0.0) return low;
  const double beyond = x < low ? low - x : x > high ? x - high : 0.0;
  if (beyond == 0.0) return x;
  const double turns = std::floor(beyond / range), rest = beyond - turns * range;
  const bool from_low = (std::fmod(turns, 2.0) == 0.0) == (x < low);
  return from_low ? low + rest : high - rest;
}

struct Axis {
  const GridSample& op;
  int64_t extent;
  double low = op.align_corners ? 0.0 : -0.5;
  double high = static_cast<double>(extent) - (op.align_corners ? 1.0 : 0.5);

  /// In pixels; NaN is far away.
  double coordinate(float g) const {
    const auto size = static_cast<double>(extent);
    const double at = static_cast<double>(g) + 1.0;
    const double x = op.align_corners ? at / 2.0 * (size - 1.0) : (at * size - 1.0) / 2.0;
    return x >= -kFar ? std::min(x, kFar) : -kFar;
  }
  double moved(double x) const {
    if (x >= low && x <= high) return x;
    if (op.padding == GridPadding::kReflection) return reflected(x, low, high);
    if (op.padding == GridPadding::kZeros) return x;
    return std::clamp(x, 0.0, static_cast<double>(extent - 1));
  }
  void add(GridTaps& taps, double at, double weight) const {
    if (op.padding == GridPadding::kReflection) at = reflected(at, low, high);
    const auto index = static_cast<int64_t>(at);
    if (op.padding == GridPadding::kZeros && (index < 0 || index >= extent)) return;
    taps.add(std::clamp<int64_t>(index, 0, extent - 1), weight);
  }
  GridTaps taps(float g) const {
    GridTaps taps;
    const double given = coordinate(g);
    if (op.kind == ResizeKind::kNearest) {  // half to even
      add(taps, moved(std::nearbyint(given)), 1.0);
      return taps;
    }
    const double x = moved(given), floor = std::floor(x), fraction = x - floor;
    if (op.kind == ResizeKind::kLinear) {
      add(taps, floor, 1.0 - fraction);
      if (fraction > 0.0) add(taps, floor + 1.0, fraction);
      return taps;
    }
    const std::array<double, 4> weights = cubic_weights(fraction, kCubicCoefficient);
    for (size_t i = 0; i < 4; ++i) add(taps, floor + static_cast<double>(i) - 1.0, weights[i]);
    return taps;
  }
};

using PointTaps = std::array<GridTaps, 3>;  // depth, height, width

double sample(const float* plane, const std::array<int64_t, 3>& in, const PointTaps& taps) {
  double sum = 0.0;
  for (size_t d = 0; d < static_cast<size_t>(taps[0].count); ++d) {
    for (size_t h = 0; h < static_cast<size_t>(taps[1].count); ++h) {
      const float* row = plane + (taps[0].index[d] * in[1] + taps[1].index[h]) * in[2];
      const double weight = taps[0].weight[d] * taps[1].weight[h];
      for (size_t w = 0; w < static_cast<size_t>(taps[2].count); ++w) {
        sum += weight * taps[2].weight[w] * static_cast<double>(row[taps[2].index[w]]);
      }
    }
  }
  return sum;
}

/// `grid` is the point's innermost coordinate first.
PointTaps point_taps(const GridSample& op, const std::array<int64_t, 3>& in, const float* grid,
                     int spatial) {
  PointTaps taps;
  for (int axis = 0; axis < 3; ++axis) {
    const auto a = static_cast<size_t>(axis);
    const int from_last = 2 - axis;
    if (from_last < spatial) {
      taps[a] = Axis{op, in[a]}.taps(grid[from_last]);
    } else {
      taps[a].add(0, 1.0);
    }
  }
  return taps;
}

}  // namespace

Inferred infer_op(const GridSample&, Infos in) {
  require_inputs(in, {"x", "grid"});
  require_type(in, 0, {DataType::kFloat32});
  require_type(in, 1, {DataType::kFloat32});
  const Shape &x = in[0].shape, &grid = in[1].shape;
  const int spatial = require_image(in[0]).rank();
  check(grid.rank() == x.rank() && may_equal(grid[0], x[0]) && grid[grid.rank() - 1] == spatial,
        ErrorCode::kInvalidArgument,
        "the grid has shape {}, but x {} needs (its N, {} spatial axes, {})", grid.to_string(),
        x.to_string(), spatial, spatial);
  Shape out{x[0], x[1]};
  for (int a = 0; a < spatial; ++a) {
    check(x[a + 2] != 0, ErrorCode::kInvalidArgument, "cannot sample the empty image {}",
          x.to_string());
    out.push_back(grid[a + 1]);
  }
  return {{DataType::kFloat32, out, nullptr}};
}

void evaluate_op(const GridSample& op, Views in, Outs out) {
  const Shape& x = in[0].shape;
  const int spatial = x.rank() - 2;
  std::array<int64_t, 3> extents{1, 1, 1};
  int64_t plane = 1, points = 1;
  for (int a = 0; a < spatial; ++a) {
    plane *= extents[static_cast<size_t>(3 - spatial + a)] = x[a + 2];
    points *= out[0].shape[a + 2];
  }
  const int64_t channels = x[1];
  parallel_for(x[0] * points, grain_for(channels * 16), [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / points;
      const PointTaps taps = point_taps(op, extents, in[1].as<float>() + item * spatial, spatial);
      const float* from = in[0].as<float>() + n * channels * plane;
      float* to = out[0].as<float>() + n * channels * points + item % points;
      for (int64_t c = 0; c < channels; ++c) {
        to[c * points] = static_cast<float>(sample(from + c * plane, extents, taps));
      }
    }
  });
}

}  // namespace octile
