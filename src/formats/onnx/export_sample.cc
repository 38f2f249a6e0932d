// Export of what samples images: Resize, GridSample, RoiAlign.
#include <algorithm>
#include <cmath>

#include "formats/onnx/export_rules.h"

namespace octile {
namespace {

const char* name_of_coordinates(ResizeCoordinates coordinates) {
  switch (coordinates) {
    case ResizeCoordinates::kHalfPixel: return "half_pixel";
    case ResizeCoordinates::kAsymmetric: return "asymmetric";
    case ResizeCoordinates::kAlignCorners: return "align_corners";
    case ResizeCoordinates::kPytorchHalfPixel: return "pytorch_half_pixel";
    case ResizeCoordinates::kTfHalfPixelForNn: return "tf_half_pixel_for_nn";
    case ResizeCoordinates::kTfCropAndResize: return "tf_crop_and_resize";
    case ResizeCoordinates::kHalfPixelSymmetric: return "half_pixel_symmetric";
  }
  return "";
}

const char* name_of_rounding(ResizeRounding rounding) {
  switch (rounding) {
    case ResizeRounding::kRoundPreferFloor: return "round_prefer_floor";
    case ResizeRounding::kRoundPreferCeil: return "round_prefer_ceil";
    case ResizeRounding::kFloor: return "floor";
    case ResizeRounding::kCeil: return "ceil";
  }
  return "";
}

bool keeps_an_axis(const Resize& op) {
  return std::find(op.sizes.begin(), op.sizes.end(), -1) != op.sizes.end();
}

/// Where sizes and scales are both given, the scales alone must give these sizes.
bool scales_suffice(const LayerWriter& writer, const Resize& op) {
  const Shape& x = writer.shape(0);
  for (int axis = 0; axis < x.rank(); ++axis) {
    const auto i = static_cast<size_t>(axis);
    if (op.sizes[i] == -1 && op.scales[i] == 1.0f) continue;
    if (x[axis] == kDynamic) return false;
    const float extent = std::floor(static_cast<float>(x[axis]) * op.scales[i]);
    if (static_cast<int64_t>(extent) != op.sizes[i]) return false;
  }
  return true;
}

std::string list_of(LayerWriter& writer, const std::vector<float>& values, const char* suffix) {
  return writer.parameter(Tensor::floats(Shape{static_cast<int64_t>(values.size())}, values),
                          suffix);
}

/// x, roi, then scales or sizes; axes that keep an unknown extent are left out of both.
Names resize_inputs(LayerWriter& writer, const Resize& op, std::vector<int64_t>& axes) {
  Names in{writer.in(0), ""};
  if (!op.roi.empty()) in[1] = list_of(writer, op.roi, "roi");
  if (!op.scales.empty()) {
    if (!op.sizes.empty() && !scales_suffice(writer, op)) {
      writer.refuse("it has sizes, and scales that give other ones");
    }
    in.push_back(list_of(writer, op.scales, "scales"));
    return in;
  }
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < op.sizes.size(); ++i) {
    if (op.sizes[i] == -1) continue;
    sizes.push_back(op.sizes[i]);
    axes.push_back(static_cast<int64_t>(i));
  }
  if (axes.size() == op.sizes.size()) axes.clear();
  if (!axes.empty() && !op.roi.empty()) writer.refuse("it has a region, and keeps an axis");
  in.emplace_back("");
  in.push_back(writer.integers(sizes, "sizes"));
  return in;
}

}  // namespace

bool needs_new_resize(const Resize& op) {
  return op.antialias || op.coordinates == ResizeCoordinates::kHalfPixelSymmetric ||
         (op.scales.empty() && keeps_an_axis(op));
}

void write_layer(LayerWriter& writer, const Resize& op) {
  std::vector<int64_t> axes;
  const Names in = resize_inputs(writer, op, axes);
  onnx::NodeProto& node = writer.node("Resize", in, {writer.out()});
  if (!axes.empty()) set(node, "axes", axes);
  set(node, "coordinate_transformation_mode", name_of_coordinates(op.coordinates));
  const bool nearest = op.kind == ResizeKind::kNearest;
  set(node, "mode", nearest ? "nearest" : op.kind == ResizeKind::kCubic ? "cubic" : "linear");
  if (nearest) set(node, "nearest_mode", name_of_rounding(op.rounding));
  if (op.kind == ResizeKind::kCubic) set(node, "cubic_coeff_a", op.cubic_coefficient);
  if (op.exclude_outside) set(node, "exclude_outside", int64_t{1});
  if (op.antialias) set(node, "antialias", int64_t{1});
  if (!op.roi.empty()) set(node, "extrapolation_value", op.extrapolation);
}

void write_layer(LayerWriter& writer, const GridSample& op) {
  const bool renamed = writer.opset() >= 20;
  const char* const linear = renamed ? "linear" : "bilinear";
  const char* const cubic = renamed ? "cubic" : "bicubic";
  onnx::NodeProto& node = writer.node("GridSample");
  set(node, "mode",
      op.kind == ResizeKind::kNearest ? "nearest"
      : op.kind == ResizeKind::kCubic ? cubic
                                      : linear);
  set(node, "padding_mode",
      op.padding == GridPadding::kZeros    ? "zeros"
      : op.padding == GridPadding::kBorder ? "border"
                                           : "reflection");
  set(node, "align_corners", int64_t{op.align_corners});
}

void write_layer(LayerWriter& writer, const RoiAlign& op) {
  onnx::NodeProto& node =
      writer.node("RoiAlign", {writer.in(0), writer.in(1), writer.in_as_int64(2)}, {writer.out()});
  set(node, "mode", op.kind == PoolingKind::kMax ? "max" : "avg");
  set(node, "output_height", op.height);
  set(node, "output_width", op.width);
  set(node, "sampling_ratio", op.sampling_ratio);
  set(node, "spatial_scale", op.spatial_scale);
  set(node, "coordinate_transformation_mode", op.half_pixel ? "half_pixel" : "output_half_pixel");
}

}  // namespace octile
