// detect(): decode, map back to the picture, suppress what overlaps.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "report/box_decoders.h"

namespace octile {
namespace {

/// Of each class, greedily from the best: boxes that overlap a kept one by more than `iou` go.
std::vector<Detection> suppressed(const std::vector<Detection>& boxes, double iou) {
  std::vector<Detection> kept;
  for (const Detection& box : boxes) {
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](const Detection& other) {
      return other.class_id == box.class_id && box_iou(other, box) > iou;
    });
    if (!covered) kept.push_back(box);
  }
  return kept;
}

}  // namespace

double box_iou(const Detection& a, const Detection& b) {
  const double w = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  const double h = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (!(w > 0.0) || !(h > 0.0)) return 0.0;
  const double both = w * h;
  return both / ((a.x1 - a.x0) * (a.y1 - a.y0) + (b.x1 - b.x0) * (b.y1 - b.y0) - both);
}

std::vector<Detection> detect(std::span<const Tensor> outputs, int64_t row,
                              const PictureInfo& picture, const DetectionOptions& options) {
  const BoxDecoder& decoder = find_box_decoder(options.decoder);
  for (const Tensor& t : outputs) {
    check(t.shape().rank() > 0 && row >= 0 && row < t.shape()[0], ErrorCode::kInvalidArgument,
          "boxes '{}': an output of shape {} has no sample {}", options.decoder,
          t.shape().to_string(), row);
  }
  const Placement& at = picture.placement;
  std::vector<Detection> boxes;
  for (Detection box : decoder.decode(outputs, row, at, options.score_threshold)) {
    const double x = double(picture.width) / double(at.width);
    const double y = double(picture.height) / double(at.height);
    box.x0 = (box.x0 - double(at.left)) * x;
    box.x1 = (box.x1 - double(at.left)) * x;
    box.y0 = (box.y0 - double(at.top)) * y;
    box.y1 = (box.y1 - double(at.top)) * y;
    const bool finite = std::isfinite(box.x0) && std::isfinite(box.y0) && std::isfinite(box.x1) &&
                        std::isfinite(box.y1) && std::isfinite(box.score);
    if (finite) boxes.push_back(box);
  }
  std::stable_sort(boxes.begin(), boxes.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  return suppressed(boxes, options.nms_iou.value_or(decoder.info.nms_iou));
}

}  // namespace octile
