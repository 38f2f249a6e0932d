// Resize and Upsample. Before opset 11 both are asymmetric with floor; since then attributes say.
#include <algorithm>
#include <cmath>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

ResizeKind kind_of(Node& node) {
  const std::string mode = node.text("mode", "nearest");
  if (mode == "nearest") return ResizeKind::kNearest;
  if (mode == "cubic") return ResizeKind::kCubic;
  node.require(mode == "linear" || mode == "bilinear", "attribute 'mode' is '{}'", mode);
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

ResizeCoordinates coordinates_of(Node& node) {
  const std::string mode = node.text("coordinate_transformation_mode", "half_pixel");
  if (mode == "half_pixel") return ResizeCoordinates::kHalfPixel;
  if (mode == "pytorch_half_pixel") return ResizeCoordinates::kPytorchHalfPixel;
  if (mode == "asymmetric") return ResizeCoordinates::kAsymmetric;
  if (mode == "align_corners") return ResizeCoordinates::kAlignCorners;
  if (mode == "tf_half_pixel_for_nn") return ResizeCoordinates::kTfHalfPixelForNn;
  if (mode == "tf_crop_and_resize") return ResizeCoordinates::kTfCropAndResize;
  if (mode == "half_pixel_symmetric") return ResizeCoordinates::kHalfPixelSymmetric;
  node.unsupported("attribute 'coordinate_transformation_mode' is '{}', which Octile lacks", mode);
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

/// One scale for all axes, the least (or largest) that the sizes allow.
void keep_aspect_ratio(Node& node, Resize& op, bool larger) {
  const Shape x = node.shape(0);
  double scale = larger ? 0.0 : INFINITY;
  std::vector<int64_t> axes = node.integers("axes");
  for (int64_t& axis : axes) axis = node.axis(axis, x.rank());
  const auto listed = [&](int axis) {
    return axes.empty() || std::find(axes.begin(), axes.end(), axis) != axes.end();
  };
  for (int axis = 0; axis < x.rank(); ++axis) {
    const int64_t size = op.sizes[static_cast<size_t>(axis)];
    if (!listed(axis)) continue;
    if (x[axis] == kDynamic || size < 0) {
      node.unsupported("it keeps the aspect ratio of x {}, which must have fixed extents",
                       x.to_string());
    }
    const double one = static_cast<double>(size) / static_cast<double>(x[axis]);
    scale = larger ? std::max(scale, one) : std::min(scale, one);
  }
  for (int axis = 0; axis < x.rank(); ++axis) {
    op.scales.push_back(listed(axis) ? static_cast<float>(scale) : 1.0f);
    if (!listed(axis)) continue;
    const double size = std::floor(scale * static_cast<double>(x[axis]) + 0.5);
    node.require(size <= static_cast<double>(INT32_MAX), "axis {} would have {} elements", axis,
                 size);
    op.sizes[static_cast<size_t>(axis)] = static_cast<int64_t>(size);
  }
}

/// Starts, then ends, of all axes.
std::vector<float> region_of(Node& node) {
  node.require(node.has(1), "its roi is missing");
  const std::vector<float> given = node.numbers(1, "roi");
  const auto half = static_cast<int64_t>(given.size() / 2);
  const std::vector<float> starts(given.begin(), given.begin() + half);
  const std::vector<float> ends(given.begin() + half, given.end());
  std::vector<float> roi = on_all_axes(node, starts, 0.0f);
  const std::vector<float> to = on_all_axes(node, ends, 1.0f);
  roi.insert(roi.end(), to.begin(), to.end());
  return roi;
}

void read_extents(Node& node, Resize& op) {
  const bool by_sizes = node.has(3) && node.shape(3) != Shape{0};
  const std::string policy = node.text("keep_aspect_ratio_policy", "stretch");
  const bool larger = policy == "not_smaller";
  node.require(larger || policy == "stretch" || policy == "not_larger",
               "attribute 'keep_aspect_ratio_policy' is '{}'", policy);
  if (by_sizes) {
    op.sizes = sizes_of(node, 3);
  } else {
    node.require(node.has(2), "it has neither scales nor sizes");
    op.scales = on_all_axes(node, node.numbers(2, "scales"), 1.0f);
  }
  node.require(static_cast<int>(by_sizes ? op.sizes.size() : op.scales.size()) == node.rank(0),
               "its scales or sizes do not fit x {}", node.shape(0).to_string());
  if (by_sizes && policy != "stretch") keep_aspect_ratio(node, op, larger);
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
  op.rounding = rounding_of(node);
  op.coordinates = coordinates_of(node);
  op.cubic_coefficient = node.number("cubic_coeff_a", -0.75f);
  op.exclude_outside = node.integer("exclude_outside", 0) != 0;
  op.antialias = node.integer("antialias", 0) != 0;
  op.extrapolation = node.number("extrapolation_value", 0.0f);
  read_extents(node, op);
  if (op.coordinates == ResizeCoordinates::kTfCropAndResize) op.roi = region_of(node);
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
