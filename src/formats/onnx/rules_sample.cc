// Operators that sample images at computed places: GridSample, RoiAlign.
#include <algorithm>
#include <cmath>

#include "formats/onnx/rules.h"
#include "ops/ops.h"

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

/// Where the boxes are known their sizes say how many samples a bin has.
static double samples_of_bins(const RoiAlign& op, const Tensor& boxes) {
  double most = 1.0;
  const double height = static_cast<double>(op.height), width = static_cast<double>(op.width);
  for (int64_t i = 0; i + 3 < boxes.volume(); i += 4) {
    const float* box = boxes.as<float>() + i;
    const double scale = std::fabs(double{op.spatial_scale});
    const double across = std::fabs(double{box[2]} - double{box[0]}) * scale / width + 2.0,
                 down = std::fabs(double{box[3]} - double{box[1]}) * scale / height + 2.0;
    most = std::max(most, across * down);  // NaN and what is too large evaluation refuses
  }
  return most;
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
  const TensorId made = node.add(op, {node.in(0), node.in(1), node.in(2)});
  const Tensor *x = node.known(0), *boxes = node.known(1);
  if (op.sampling_ratio == 0 && x != nullptr && boxes != nullptr) {
    const std::vector<Shape> out{node.network().shape(made)};
    op.sampling_ratio =
        static_cast<int64_t>(std::ceil(std::sqrt(std::min(samples_of_bins(op, *boxes), 1e9))));
    node.state().spend_work(evaluation_work(op, {}, out));
  }
  node.output(made);
}

}  // namespace octile
