// NonMaxSuppression: greedy, an image and class at a time, in binary32 as ONNX's reference.
#include <algorithm>
#include <vector>

#include "ops/families.h"

namespace octile {
namespace {

struct Box {
  float y0, x0, y1, x1;
  float area() const { return (y1 - y0) * (x1 - x0); }
};

Box box_at(const float* b, bool center_point) {
  if (center_point) {
    const float half_w = b[2] / 2.0f, half_h = b[3] / 2.0f;
    return {b[1] - half_h, b[0] - half_w, b[1] + half_h, b[0] + half_w};
  }
  return {std::min(b[0], b[2]), std::min(b[1], b[3]), std::max(b[0], b[2]), std::max(b[1], b[3])};
}

/// Intersection over union is above the threshold. An empty box overlaps nothing.
bool overlaps(const Box& a, const Box& b, float threshold) {
  const float height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  const float width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  if (!(height > 0.0f) || !(width > 0.0f)) return false;
  const float common = height * width, united = a.area() + b.area() - common;
  return united > 0.0f && common / united > threshold;
}

/// The boxes kept of one image and class, best first (of equals the lower index).
std::vector<int64_t> select(const NonMaxSuppression& op, const float* boxes, const float* scores,
                            int64_t count) {
  std::vector<int64_t> order, taken;
  for (int64_t i = 0; i < count; ++i) {
    const bool any = op.score_threshold == -std::numeric_limits<float>::infinity();
    if (scores[i] > op.score_threshold || (any && scores[i] == op.score_threshold))
      order.push_back(i);  // NaN is not
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  std::vector<Box> kept;
  for (const int64_t i : order) {
    if (static_cast<int64_t>(taken.size()) >= op.max_output) break;
    const Box box = box_at(boxes + 4 * i, op.center_point);
    const bool free = std::none_of(kept.begin(), kept.end(), [&](const Box& other) {
      return overlaps(other, box, op.iou_threshold);
    });
    if (!free) continue;
    kept.push_back(box);
    taken.push_back(i);
  }
  return taken;
}

/// Calls f(image, class, box) for everything kept, in the order of the result.
template <typename F>
void for_selected(const NonMaxSuppression& op, const TensorView& boxes, const TensorView& scores,
                  F&& f) {
  const int64_t images = scores.shape[0], classes = scores.shape[1], count = scores.shape[2];
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t c = 0; c < classes; ++c) {
      const float* row = scores.as<float>() + (n * classes + c) * count;
      for (const int64_t i : select(op, boxes.as<float>() + n * count * 4, row, count)) f(n, c, i);
    }
  }
}

}  // namespace

Inferred infer_op(const NonMaxSuppression& op, Infos in) {
  require_inputs(in, {"boxes", "scores"});
  require_type(in, 0, {DataType::kFloat32});
  require_type(in, 1, {DataType::kFloat32});
  const Shape &boxes = in[0].shape, &scores = in[1].shape;
  check(boxes.rank() == 3 && scores.rank() == 3 && may_equal(boxes[2], 4) &&
            may_equal(boxes[0], scores[0]) && may_equal(boxes[1], scores[2]),
        ErrorCode::kInvalidArgument, "boxes {} and scores {} must be (N, B, 4) and (N, C, B)",
        boxes.to_string(), scores.to_string());
  const TensorView known_boxes = known(in[0]), known_scores = known(in[1]);
  int64_t count = kDynamic;
  if (op.max_output <= 0) {
    count = 0;
  } else if (known_boxes.data != nullptr && known_scores.data != nullptr) {
    count = 0;
    for_selected(op, known_boxes, known_scores, [&](int64_t, int64_t, int64_t) { ++count; });
  }
  return {{DataType::kInt64, Shape{count, 3}, nullptr}};
}

void evaluate_op(const NonMaxSuppression& op, Views in, Outs out) {
  auto* y = out[0].as<int64_t>();
  const int64_t* end = y + out[0].shape.volume();
  for_selected(op, in[0], in[1], [&](int64_t image, int64_t category, int64_t box) {
    if (y == end) return;
    *y++ = image;
    *y++ = category;
    *y++ = box;
  });
}

}  // namespace octile
