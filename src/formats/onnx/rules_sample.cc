// Operators that sample images at computed places: GridSample, RoiAlign.
#include "formats/onnx/rules.h"

namespace octile {

void import_grid_sample(Node& node) {
  GridSample op;
  const std::string mode = node.text("mode", "bilinear");
  if (mode == "nearest") {
    op.kind = ResizeKind::kNearest;
  } else if (mode == "bicubic" || mode == "cubic") {
    op.kind = ResizeKind::kCubic;
  } else {
    node.require(mode == "bilinear" || mode == "linear", "attribute 'mode' is '{}'", mode);
  }
  const std::string padding = node.text("padding_mode", "zeros");
  if (padding == "border") {
    op.padding = GridPadding::kBorder;
  } else if (padding == "reflection") {
    op.padding = GridPadding::kReflection;
  } else {
    node.require(padding == "zeros", "attribute 'padding_mode' is '{}'", padding);
  }
  op.align_corners = node.integer("align_corners", 0) != 0;
  node.output(node.add(op, {node.in(0), node.in(1)}));
}

/// Before opset 16 boxes are not shifted by half a pixel.
void import_roi_align(Node& node) {
  RoiAlign op;
  const std::string mode = node.text("mode", "avg");
  node.require(mode == "avg" || mode == "max", "attribute 'mode' is '{}'", mode);
  op.kind = mode == "max" ? PoolingKind::kMax : PoolingKind::kAverage;
  const std::string shift = node.text("coordinate_transformation_mode",
                                      node.opset() < 16 ? "output_half_pixel" : "half_pixel");
  node.require(shift == "half_pixel" || shift == "output_half_pixel",
               "attribute 'coordinate_transformation_mode' is '{}'", shift);
  op.half_pixel = shift == "half_pixel";
  op.height = node.integer("output_height", 1);
  op.width = node.integer("output_width", 1);
  op.sampling_ratio = node.integer("sampling_ratio", 0);
  op.spatial_scale = node.number("spatial_scale", 1.0f);
  node.output(node.add(op, {node.in(0), node.in(1), node.in(2)}));
}

}  // namespace octile
