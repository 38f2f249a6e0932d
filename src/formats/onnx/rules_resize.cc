// Resize and Upsample. Before opset 11 both are asymmetric with floor; since then attributes say.
#include <algorithm>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

ResizeKind kind_of(Node& node) {
  const std::string mode = node.text("mode", "nearest");
  if (mode == "nearest") return ResizeKind::kNearest;
  if (mode != "linear" && mode != "bilinear") {
    node.unsupported("attribute 'mode' is '{}'; Octile knows nearest and linear", mode);
  }
  return ResizeKind::kLinear;
}

ResizeRounding rounding_of(Node& node) {
  const std::string mode = node.text("nearest_mode", "round_prefer_floor");
  if (mode == "round_prefer_ceil") return ResizeRounding::kRoundPreferCeil;
  if (mode == "floor") return ResizeRounding::kFloor;
  if (mode == "ceil") return ResizeRounding::kCeil;
  node.require(mode == "round_prefer_floor", "attribute 'nearest_mode' is '{}'", mode);
  return ResizeRounding::kRoundPreferFloor;
}

/// `one_pixel`: some resized axis has (or may have) the extent 1, where pytorch_half_pixel differs.
ResizeCoordinates coordinates_of(Node& node, bool one_pixel) {
  const std::string mode = node.text("coordinate_transformation_mode", "half_pixel");
  if (mode == "half_pixel") return ResizeCoordinates::kHalfPixel;
  if (mode == "pytorch_half_pixel" && !one_pixel) return ResizeCoordinates::kHalfPixel;
  if (mode == "asymmetric") return ResizeCoordinates::kAsymmetric;
  if (mode == "align_corners") return ResizeCoordinates::kAlignCorners;
  node.unsupported(
      "attribute 'coordinate_transformation_mode' is '{}'{}; Octile knows half_pixel, "
      "pytorch_half_pixel, asymmetric and align_corners",
      mode, one_pixel ? " with an extent of 1" : "");
}

void refuse_options(Node& node) {
  if (node.integer("antialias", 0) != 0) node.unsupported("attribute 'antialias' is set");
  if (node.text("keep_aspect_ratio_policy", "stretch") != "stretch") {
    node.unsupported("attribute 'keep_aspect_ratio_policy' is not stretch");
  }
  node.attribute("cubic_coeff_a");
  node.attribute("exclude_outside");
  node.attribute("extrapolation_value");
}

/// Entries for all axes from entries for the attribute `axes`.
template <typename T>
std::vector<T> on_all_axes(Node& node, const std::vector<T>& some, T otherwise) {
  const int rank = node.rank(0);
  std::vector<int64_t> axes = node.integers("axes");
  if (axes.empty()) {
    for (int axis = 0; axis < rank; ++axis) axes.push_back(axis);
  }
  node.require(axes.size() == some.size(), "it has {} scales or sizes for {} axes", some.size(),
               axes.size());
  std::vector<T> all(static_cast<size_t>(rank), otherwise);
  for (size_t i = 0; i < axes.size(); ++i) {
    all[static_cast<size_t>(node.axis(axes[i], rank))] = some[i];
  }
  return all;
}

/// Sizes, with −1 for an axis that keeps an unknown extent.
std::vector<int64_t> sizes_of(Node& node, int index) {
  const std::vector<Node::Extent> entries =
      on_all_axes(node, node.extents(index, "sizes"), Node::Extent{-1, kNoSymbol, true});
  std::vector<int64_t> sizes;
  for (const Node::Extent& e : entries) {
    const int axis = static_cast<int>(sizes.size());
    const Symbol own = node.symbol(0, axis);
    // A size 1 that was fixed for the batch follows a batch that was made dynamic.
    const bool freed =
        e.known && e.value == 1 && own != kNoSymbol && own == node.state().forced_batch;
    const bool kept = freed || (!e.known && e.symbol != kNoSymbol && own == e.symbol);
    if (!e.known && !kept) {
      node.unsupported(
          "its sizes depend on extents that are not known at import; give the model's "
          "inputs fixed shapes");
    }
    sizes.push_back(kept ? -1 : e.value);
  }
  return sizes;
}

bool gives_one_pixel(const Resize& op, const Shape& x) {
  for (int axis = 0; axis < x.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    const bool resized =
        op.sizes.empty() ? op.scales[a] != 1.0f : op.sizes[a] != -1 && op.sizes[a] != x[axis];
    const bool one = op.sizes.empty()
                         ? x[axis] == kDynamic || static_cast<float>(x[axis]) * op.scales[a] < 2.0f
                         : op.sizes[a] == 1;
    if (resized && one) return true;
  }
  return false;
}

}  // namespace

void import_resize(Node& node) {
  Resize op;
  op.kind = kind_of(node);
  if (node.opset() < 11) {
    op.coordinates = ResizeCoordinates::kAsymmetric;
    op.rounding = ResizeRounding::kFloor;
    op.scales = node.numbers(1, "scales");
    return node.output(node.add(std::move(op), {node.in(0)}));
  }
  refuse_options(node);
  op.rounding = rounding_of(node);
  const bool by_sizes = node.has(3) && node.shape(3) != Shape{0};
  if (by_sizes) {
    op.sizes = sizes_of(node, 3);
  } else {
    node.require(node.has(2), "it has neither scales nor sizes");
    op.scales = on_all_axes(node, node.numbers(2, "scales"), 1.0f);
  }
  node.require(static_cast<int>(by_sizes ? op.sizes.size() : op.scales.size()) == node.rank(0),
               "its scales or sizes do not fit x {}", node.shape(0).to_string());
  op.coordinates = coordinates_of(node, gives_one_pixel(op, node.shape(0)));
  node.output(node.add(std::move(op), {node.in(0)}));
}

void import_upsample(Node& node) {
  Resize op;
  op.kind = kind_of(node);
  op.coordinates = ResizeCoordinates::kAsymmetric;
  op.rounding = ResizeRounding::kFloor;
  op.scales = node.opset() < 9 ? node.numbers("scales") : node.numbers(1, "scales");
  node.output(node.add(std::move(op), {node.in(0)}));
}

}  // namespace octile
