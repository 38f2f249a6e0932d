// Resize (operator sets 10, 11, 13, 18, 19) and its forerunner Upsample, nearest and linear.
#include <algorithm>
#include <cmath>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

ResizeKind kind_of(Node& node) {
  const std::string mode = node.text("mode", "nearest");
  if (mode == "nearest") return ResizeKind::kNearest;
  if (mode == "linear" || mode == "bilinear") return ResizeKind::kLinear;
  node.unsupported("mode '{}' is not supported; use nearest or linear", mode);
}

ResizeRounding rounding_of(Node& node) {
  const std::string mode = node.text("nearest_mode", "round_prefer_floor");
  if (mode == "round_prefer_floor") return ResizeRounding::kRoundPreferFloor;
  if (mode == "round_prefer_ceil") return ResizeRounding::kRoundPreferCeil;
  if (mode == "floor") return ResizeRounding::kFloor;
  if (mode == "ceil") return ResizeRounding::kCeil;
  fail(ErrorCode::kInvalidFile, "nearest_mode '{}' is none of ONNX's", mode);
}

/// The axes that the entries of scales or sizes belong to: all, in order, before opset 18.
std::vector<int> axes_of(Node& node) {
  std::vector<int> axes;
  for (const int64_t a : node.integers("axes")) axes.push_back(node.axis(a, node.rank(0)));
  if (!axes.empty()) return axes;
  for (int a = 0; a < node.rank(0); ++a) axes.push_back(a);
  return axes;
}

void set_scales(Node& node, Resize& op, const std::vector<float>& scales,
                const std::vector<int>& axes) {
  node.require(scales.size() == axes.size(), "it has {} scales for {} axes", scales.size(),
               axes.size());
  op.scales.assign(static_cast<size_t>(node.rank(0)), 1.0f);
  for (size_t i = 0; i < axes.size(); ++i) {
    node.require(scales[i] > 0.0f, "its scale {} must be positive", scales[i]);
    op.scales[static_cast<size_t>(axes[i])] = scales[i];
  }
}

/// A size that is the input's own extent, whatever that will be.
bool keeps(Node& node, int axis, const Node::Extent& size) {
  const Symbol symbol = node.symbol(0, axis);
  if (symbol == kNoSymbol) return false;
  if (!size.known) return size.symbol == symbol;
  return symbol == node.state().forced_batch && axis == 0 && size.value == 1;
}

void set_sizes(Node& node, Resize& op, int index, const std::vector<int>& axes) {
  const std::vector<Node::Extent> sizes = node.extents(index, "sizes");
  node.require(sizes.size() == axes.size(), "it has {} sizes for {} axes", sizes.size(),
               axes.size());
  op.sizes.assign(static_cast<size_t>(node.rank(0)), -1);
  for (size_t i = 0; i < axes.size(); ++i) {
    if (keeps(node, axes[i], sizes[i])) continue;
    if (!sizes[i].known) {
      node.unsupported("its size of axis {} is computed from extents that are not known at import; "
                       "give the model's inputs fixed shapes", axes[i]);
    }
    node.require(sizes[i].value >= 0, "its size {} must not be negative", sizes[i].value);
    op.sizes[static_cast<size_t>(axes[i])] = sizes[i].value;
  }
}

/// keep_aspect_ratio_policy: one scale for all axes, sizes rounded half up (ONNX, opset 18).
void keep_aspect(Node& node, Resize& op, const std::vector<int>& axes) {
  const std::string policy = node.text("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch" || op.sizes.empty()) return;
  node.require(policy == "not_larger" || policy == "not_smaller",
               "keep_aspect_ratio_policy '{}' is none of ONNX's", policy);
  const Shape shape = node.shape(0);
  float scale = 0.0f;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t in = shape[axes[i]], out = op.sizes[static_cast<size_t>(axes[i])];
    if (in <= 0 || out < 0) {
      node.unsupported("keep_aspect_ratio_policy needs known extents; give the model's inputs "
                       "fixed shapes");
    }
    const float one = static_cast<float>(out) / static_cast<float>(in);
    scale = i == 0 ? one : policy == "not_larger" ? std::min(scale, one) : std::max(scale, one);
  }
  for (const int axis : axes) {
    const float extent = scale * static_cast<float>(shape[axis]);
    op.sizes[static_cast<size_t>(axis)] = static_cast<int64_t>(std::floor(extent + 0.5f));
  }
}

/// Modes that differ from half_pixel in corner cases only: true when none of the axes is one.
template <typename Test>
bool every_axis(Node& node, const Resize& op, Test is_plain) {
  const Shape shape = node.shape(0);
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    const bool kept = op.sizes.empty() ? op.scales[a] == 1.0f
                                       : op.sizes[a] == -1 || op.sizes[a] == shape[axis];
    if (kept) continue;
    if (op.sizes.empty() && shape[axis] == kDynamic) return false;
    const float exact = op.sizes.empty() ? op.scales[a] * static_cast<float>(shape[axis])
                                         : static_cast<float>(op.sizes[a]);
    if (!is_plain(exact)) return false;
  }
  return true;
}

void set_coordinates(Node& node, Resize& op) {
  const std::string mode = node.text("coordinate_transformation_mode", "half_pixel");
  if (mode == "half_pixel") {
    op.coordinates = ResizeCoordinates::kHalfPixel;
  } else if (mode == "asymmetric") {
    op.coordinates = ResizeCoordinates::kAsymmetric;
  } else if (mode == "align_corners") {
    op.coordinates = ResizeCoordinates::kAlignCorners;
  } else if (mode == "pytorch_half_pixel" &&
             every_axis(node, op, [](float extent) { return extent >= 2.0f; })) {
    op.coordinates = ResizeCoordinates::kHalfPixel;  // differs where an extent becomes 1
  } else if (mode == "half_pixel_symmetric" &&
             every_axis(node, op, [](float extent) { return extent == std::floor(extent); })) {
    op.coordinates = ResizeCoordinates::kHalfPixel;  // differs where extent · scale is rounded
  } else if (mode == "tf_half_pixel_for_nn" && op.kind == ResizeKind::kNearest &&
             op.rounding == ResizeRounding::kFloor) {
    op.coordinates = ResizeCoordinates::kHalfPixel;  // ⌊(o+½)/s⌋ = ⌊((o+½)/s − ½) + ½⌋
    op.rounding = ResizeRounding::kRoundPreferCeil;
  } else {
    node.unsupported("coordinate_transformation_mode '{}' is not supported here; use half_pixel, "
                     "asymmetric or align_corners", mode);
  }
}

void add_resize(Node& node, const Resize& op) {
  const TensorId x = node.in(0);
  const DataType type = node.network().type(x);
  const bool floats = op.kind == ResizeKind::kNearest || type == DataType::kFloat32;
  node.output(node.cast(node.add(op, {floats ? x : node.cast(x, DataType::kFloat32)}), type));
}

}  // namespace

void import_resize(Node& node) {
  Resize op;
  op.kind = kind_of(node);
  if (node.opset() < 11) {
    op.coordinates = ResizeCoordinates::kAsymmetric;
    op.rounding = ResizeRounding::kFloor;
    set_scales(node, op, node.numbers(1, "scales"), axes_of(node));
    return add_resize(node, op);
  }
  if (node.integer("antialias", 0) != 0) node.unsupported("antialias is not supported");
  node.number("cubic_coeff_a", -0.75f);
  node.integer("exclude_outside", 0);  // of the cubic mode
  node.number("extrapolation_value", 0.0f);
  const std::vector<int> axes = axes_of(node);
  const auto is_empty = [&](int index) {
    const Tensor* value = node.known(index);
    return value != nullptr && value->volume() == 0;
  };
  const bool by_scales = node.has(2) && !is_empty(2);
  node.require(by_scales || node.has(3), "it has neither scales nor sizes");
  if (by_scales) {
    set_scales(node, op, node.numbers(2, "scales"), axes);
  } else {
    set_sizes(node, op, 3, axes);
  }
  keep_aspect(node, op, axes);
  op.rounding = rounding_of(node);
  set_coordinates(node, op);
  add_resize(node, op);
}

void import_upsample(Node& node) {
  Resize op;
  op.kind = kind_of(node);
  op.coordinates = ResizeCoordinates::kAsymmetric;
  op.rounding = ResizeRounding::kFloor;
  const std::vector<float> scales =
      node.opset() < 9 ? node.numbers("scales") : node.numbers(1, "scales");
  set_scales(node, op, scales, axes_of(node));
  add_resize(node, op);
}

}  // namespace octile
