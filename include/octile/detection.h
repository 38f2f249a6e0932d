// Object detection: boxes from a network's raw outputs, and their average precision.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octile/data.h"
#include "octile/tensor.h"

namespace octile {

/// A found box in pixels of its picture; x1 and y1 are the far edges.
struct Detection {
  double x0 = 0.0, y0 = 0.0, x1 = 0.0, y1 = 0.0;
  double score = 0.0;
  int64_t class_id = 0;
};

/// How outputs become boxes: one row of the table in src/report/box_decoders.cc.
struct BoxDecoderInfo {
  std::string_view name;     // "yolox", …
  std::string_view formula;  // with its source
  double nms_iou = 0.0;      // what its authors use
};
std::vector<BoxDecoderInfo> box_decoders();

struct DetectionOptions {
  std::string decoder;            // one of box_decoders()
  double score_threshold = 0.01;  // boxes with a score not above it are dropped
  std::optional<double> nms_iou;  // default: the decoder's; 1 keeps all
};

/// The boxes of sample `row` of a network's outputs (in the engine's order), best first: decoded,
/// of each class the best of those that overlap by more than nms_iou kept, mapped from the
/// network's input back to the picture. Throws kInvalidArgument naming decoder and shapes where
/// the outputs are not the decoder's.
std::vector<Detection> detect(std::span<const Tensor> outputs, int64_t row,
                              const PictureInfo& picture, const DetectionOptions& options);

/// Intersection over union; 0 when both are empty.
double box_iou(const Detection& a, const Detection& b);

/// Mean over the classes in `truth` of the average precision at an overlap of at least `iou`, as
/// COCO's evaluation: of each picture and class the 100 best boxes, best score first, each takes
/// the free true box that it overlaps most, else it is false; precision is made monotone and read
/// at recall 0, 0.01, … 1. What lies on a crowd box (by its own area) counts neither way.
/// `found` and `truth` hold one list a picture. Throws kInvalidArgument when their sizes differ or
/// there is no true box.
double average_precision(std::span<const std::vector<Detection>> found,
                         std::span<const std::vector<LabelledBox>> truth, double iou = 0.5);

}  // namespace octile
