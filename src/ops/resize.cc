// Resize: nearest on any type, linear on float (over every axis whose extent or scale changes).
// Coordinates in binary64 from the given scales, or out/in when sizes are given; a size of −1 keeps
// the axis. Coordinates outside the image read its edge.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/rows.h"

namespace octile {
namespace {

struct AxisMap {
  int64_t in = 1, out = 1;
  double scale = 1.0;
  bool trivial() const { return in == out && scale == 1.0; }
};

double coordinate(ResizeCoordinates coordinates, const AxisMap& map, int64_t o) {
  const auto at = static_cast<double>(o);
  switch (coordinates) {
    case ResizeCoordinates::kHalfPixel: return (at + 0.5) / map.scale - 0.5;
    case ResizeCoordinates::kAsymmetric: return at / map.scale;
    case ResizeCoordinates::kAlignCorners:
      return map.out <= 1 ? 0.0
                          : at * static_cast<double>(map.in - 1) / static_cast<double>(map.out - 1);
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

using Maps = std::array<AxisMap, kMaxRank>;

Maps axis_maps(const Resize& op, const Shape& in, const Shape& out) {
  Maps maps{};
  for (int axis = 0; axis < in.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    maps[a] = {in[axis], out[axis], 1.0};
    if (in[axis] == 0) continue;
    maps[a].scale = op.scales.empty()
                        ? static_cast<double>(out[axis]) / static_cast<double>(in[axis])
                        : static_cast<double>(op.scales[a]);
  }
  return maps;
}

int64_t nearest(const Resize& op, const AxisMap& map, int64_t o) {
  if (map.trivial()) return o;
  const double x = round_by(op.rounding, coordinate(op.coordinates, map, o));
  return std::clamp<int64_t>(static_cast<int64_t>(x), 0, map.in - 1);
}

/// Descends axis by axis; below the last axis that changes, runs are copied whole.
template <typename T>
struct NearestWalk {
  const Resize& op;
  const Maps& maps;
  Strides in_strides, out_strides;
  int changing;  // number of leading axes up to the last that changes

  void walk(int axis, const T* from, T* to, int64_t run) const {
    if (axis == changing) {
      std::copy_n(from, run, to);
      return;
    }
    const auto a = static_cast<size_t>(axis);
    const bool last = axis + 1 == changing && run == 1;
    for (int64_t o = 0; o < maps[a].out; ++o) {
      const T* source = from + nearest(op, maps[a], o) * in_strides[a];
      if (last) {
        to[o] = *source;
      } else {
        walk(axis + 1, source, to + o * out_strides[a], run);
      }
    }
  }
};

int changing_axes(const Maps& maps, int rank) {
  while (rank > 0 && maps[static_cast<size_t>(rank - 1)].trivial()) --rank;
  return rank;
}

/// The two neighbours that output `o` mixes, and the weight of the second.
struct Mix {
  int64_t low, high;
  double weight;
};

Mix mix_of(const Resize& op, const AxisMap& map, int64_t o) {
  if (map.trivial()) return {o, o, 0.0};
  const double x =
      std::clamp(coordinate(op.coordinates, map, o), 0.0, static_cast<double>(map.in - 1));
  const auto low = static_cast<int64_t>(x);
  return {low, std::min(low + 1, map.in - 1), x - static_cast<double>(low)};
}

struct LinearWalk {
  const Resize& op;
  const Maps& maps;
  Strides in_strides;
  int rank;

  /// The value at `index`, mixing axis after axis.
  double value(int axis, const float* from, const std::array<Mix, kMaxRank>& mixes) const {
    if (axis == rank) return static_cast<double>(*from);
    const auto a = static_cast<size_t>(axis);
    const double low = value(axis + 1, from + mixes[a].low * in_strides[a], mixes);
    if (mixes[a].weight == 0.0) return low;
    const double high = value(axis + 1, from + mixes[a].high * in_strides[a], mixes);
    return low * (1.0 - mixes[a].weight) + high * mixes[a].weight;
  }

  void fill(int axis, std::array<Mix, kMaxRank>& mixes, const float* from, float*& to) const {
    if (axis == rank) {
      *to++ = static_cast<float>(value(0, from, mixes));
      return;
    }
    const auto a = static_cast<size_t>(axis);
    for (int64_t o = 0; o < maps[a].out; ++o) {
      mixes[a] = mix_of(op, maps[a], o);
      fill(axis + 1, mixes, from, to);
    }
  }
};

int64_t output_extent(const Resize& op, size_t axis, int64_t in) {
  if (!op.sizes.empty()) return op.sizes[axis] == -1 ? in : op.sizes[axis];
  if (op.scales[axis] == 1.0f || in == kDynamic) return in;
  // In binary32, as ONNX Runtime: 3 · (5/3) is 5 there.
  return static_cast<int64_t>(std::floor(static_cast<float>(in) * op.scales[axis]));
}

}  // namespace

Inferred infer_op(const Resize& op, Infos in) {
  require_inputs(in, {"x"});
  if (op.kind == ResizeKind::kLinear) require_type(in, 0, {DataType::kFloat32});
  const Shape& x = in[0].shape;
  const auto rank = static_cast<size_t>(x.rank());
  check((op.sizes.size() == rank && op.scales.empty()) ||
            (op.scales.size() == rank && op.sizes.empty()),
        ErrorCode::kInvalidArgument,
        "x {} needs either {} sizes or {} scales, but got {} sizes and {} scales", x.to_string(),
        rank, rank, op.sizes.size(), op.scales.size());
  Shape out;
  for (size_t axis = 0; axis < rank; ++axis) {
    const bool by_scale = op.sizes.empty();
    check(!by_scale || (op.scales[axis] > 0.0f && op.scales[axis] < 65536.0f),
          ErrorCode::kInvalidArgument, "scale {} on axis {} is out of range",
          by_scale ? op.scales[axis] : 0.0f, axis);
    check(by_scale || (op.sizes[axis] >= -1 && op.sizes[axis] <= kMostExtent),
          ErrorCode::kInvalidArgument, "size {} on axis {} is out of range",
          by_scale ? 0 : op.sizes[axis], axis);
    const int64_t extent = x[static_cast<int>(axis)];
    out.push_back(output_extent(op, axis, extent));
    check(extent != 0 || out[static_cast<int>(axis)] == 0, ErrorCode::kInvalidArgument,
          "cannot resize the empty axis {} of {}", axis, x.to_string());
  }
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const Resize& op, Views in, Outs out) {
  if (out[0].shape.volume() == 0) return;
  const int rank = in[0].shape.rank();
  const Maps maps = axis_maps(op, in[0].shape, out[0].shape);
  const Strides in_strides = dense_strides(in[0].shape);
  const Strides out_strides = dense_strides(out[0].shape);
  if (op.kind == ResizeKind::kLinear) {
    std::array<Mix, kMaxRank> mixes{};
    float* to = out[0].as<float>();
    LinearWalk{op, maps, in_strides, rank}.fill(0, mixes, in[0].as<float>(), to);
    return;
  }
  const int changing = changing_axes(maps, rank);
  int64_t run = 1;
  for (int axis = changing; axis < rank; ++axis) run *= in[0].shape[axis];
  by_size(in[0].type, [&](auto tag) {
    using T = decltype(tag);
    NearestWalk<T>{op, maps, in_strides, out_strides, changing}.walk(0, in[0].as<T>(),
                                                                     out[0].as<T>(), run);
  });
}

}  // namespace octile
