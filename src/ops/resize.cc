// Resize: nearest on any type; linear, cubic and whatever may leave the image on float (over every
// axis whose extent or scale changes). A size of −1 keeps the axis. Coordinates outside the image
// read its edge.
#include <algorithm>
#include <cmath>

#include "ops/resize_axis.h"
#include "ops/rows.h"

namespace octile {
namespace {

/// Descends axis by axis; below the last axis that changes, runs are copied whole.
template <typename T>
struct NearestWalk {
  const Resize& op;
  const AxisMaps& maps;
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
      const T* source = from + nearest_element(op, maps[a], o) * in_strides[a];
      if (last) {
        to[o] = *source;
      } else {
        walk(axis + 1, source, to + o * out_strides[a], run);
      }
    }
  }
};

int changing_axes(const AxisMaps& maps, int rank) {
  while (rank > 0 && maps[static_cast<size_t>(rank - 1)].trivial()) --rank;
  return rank;
}

using TapList = std::array<ResizeTaps, kMaxRank>;

struct TapWalk {
  const Resize& op;
  const ResizeAxes& axes;
  Strides in_strides;
  int rank;

  /// The value that the taps give, mixing axis after axis.
  double value(int axis, const float* from, const TapList& list) const {
    if (axis == rank) return static_cast<double>(*from);
    const ResizeTaps& taps = list[static_cast<size_t>(axis)];
    const int64_t stride = in_strides[static_cast<size_t>(axis)], last = axes[axis].in - 1;
    if (taps.count == 1) return value(axis + 1, from + taps.base * stride, list);
    double sum = 0.0;
    for (int64_t i = 0; i < taps.count; ++i) {
      const double weight = taps.weight(i);
      if (weight == 0.0) continue;
      const int64_t at = std::clamp<int64_t>(taps.base + i, 0, last);
      sum += weight * value(axis + 1, from + at * stride, list);
    }
    return sum;
  }

  void fill(int axis, TapList& list, bool outside, const float* from, float*& to) const {
    if (axis == rank) {
      *to++ = outside ? op.extrapolation : static_cast<float>(value(0, from, list));
      return;
    }
    ResizeTaps& taps = list[static_cast<size_t>(axis)];
    for (int64_t o = 0; o < axes[axis].out; ++o) {
      taps = axes.taps(axis, o);
      fill(axis + 1, list, outside || taps.outside, from, to);
    }
  }
};

bool leaves_image(const Resize& op) {
  return op.coordinates == ResizeCoordinates::kTfCropAndResize;
}

int64_t output_extent(const Resize& op, size_t axis, int64_t in) {
  if (!op.sizes.empty()) return op.sizes[axis] == -1 ? in : op.sizes[axis];
  if (op.scales[axis] == 1.0f || in == kDynamic) return in;
  // In binary32, as ONNX Runtime: 3 · (5/3) is 5 there.
  return static_cast<int64_t>(std::floor(static_cast<float>(in) * op.scales[axis]));
}

void require_axis(const Resize& op, size_t axis, int64_t extent) {
  const bool by_size = !op.sizes.empty(), by_scale = !op.scales.empty();
  check(!by_scale || (op.scales[axis] > 0.0f && op.scales[axis] < 65536.0f),
        ErrorCode::kInvalidArgument, "scale {} on axis {} is out of range",
        by_scale ? op.scales[axis] : 0.0f, axis);
  check(!by_size || (op.sizes[axis] >= -1 && op.sizes[axis] <= kMostExtent),
        ErrorCode::kInvalidArgument, "size {} on axis {} is out of range",
        by_size ? op.sizes[axis] : 0, axis);
  if (!by_size || !by_scale || extent == kDynamic) return;
  const double exact = static_cast<double>(extent) * static_cast<double>(op.scales[axis]);
  const int64_t size = output_extent(op, axis, extent);
  check(std::fabs(static_cast<double>(size) - exact) <= 0.51, ErrorCode::kInvalidArgument,
        "size {} on axis {} is not {} times scale {}", size, axis, extent, op.scales[axis]);
}

void require_options(const Resize& op, Infos in, size_t rank) {
  if (op.kind != ResizeKind::kNearest || leaves_image(op))
    require_type(in, 0, {DataType::kFloat32});
  check(op.roi.size() == (leaves_image(op) ? 2 * rank : 0), ErrorCode::kInvalidArgument,
        "the roi has {} entries for {} axes", op.roi.size(), rank);
  check(std::isfinite(op.cubic_coefficient), ErrorCode::kInvalidArgument,
        "the cubic coefficient is not finite");
}

}  // namespace

Inferred infer_op(const Resize& op, Infos in) {
  require_inputs(in, {"x"});
  const Shape& x = in[0].shape;
  const auto rank = static_cast<size_t>(x.rank());
  require_options(op, in, rank);
  const bool sizes = op.sizes.size() == rank, scales = op.scales.size() == rank;
  check((sizes && (scales || op.scales.empty())) || (scales && op.sizes.empty()),
        ErrorCode::kInvalidArgument,
        "x {} needs either {} sizes or {} scales, but got {} sizes and {} scales", x.to_string(),
        rank, rank, op.sizes.size(), op.scales.size());
  Shape out;
  for (size_t axis = 0; axis < rank; ++axis) {
    const int64_t extent = x[static_cast<int>(axis)];
    require_axis(op, axis, extent);
    out.push_back(output_extent(op, axis, extent));
    check(extent != 0 || out[static_cast<int>(axis)] == 0, ErrorCode::kInvalidArgument,
          "cannot resize the empty axis {} of {}", axis, x.to_string());
  }
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const Resize& op, Views in, Outs out) {
  if (out[0].shape.volume() == 0) return;
  const int rank = in[0].shape.rank();
  const Strides in_strides = dense_strides(in[0].shape);
  if (op.kind != ResizeKind::kNearest || leaves_image(op)) {
    const ResizeAxes axes(op, in[0].shape, out[0].shape);
    TapList list{};
    float* to = out[0].as<float>();
    TapWalk{op, axes, in_strides, rank}.fill(0, list, false, in[0].as<float>(), to);
    return;
  }
  const AxisMaps maps = axis_maps(op, in[0].shape, out[0].shape);
  const Strides out_strides = dense_strides(out[0].shape);
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
