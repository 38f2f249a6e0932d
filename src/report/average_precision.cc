// Average precision as COCO's evaluation computes it (pycocotools, cocoeval.py).
#include <algorithm>
#include <set>

#include "base/error.h"
#include "octile/detection.h"

namespace octile {
namespace {

constexpr size_t kMostBoxes = 100;  // COCO's maxDets: a picture and class
constexpr int kRecalls = 101;

struct Judged {
  double score;
  bool hit;
};

/// Share of the found box that lies on a crowd.
double share_on(const Detection& box, const LabelledBox& crowd) {
  const double w = std::min(box.x1, crowd.x1) - std::max(box.x0, crowd.x0);
  const double h = std::min(box.y1, crowd.y1) - std::max(box.y0, crowd.y0);
  if (!(w > 0.0) || !(h > 0.0)) return 0.0;
  return w * h / ((box.x1 - box.x0) * (box.y1 - box.y0));
}

/// The boxes of one picture and class, hits and misses; those on crowds alone are left out.
void judge(std::vector<Detection> boxes, const std::vector<LabelledBox>& truth, double iou,
           std::vector<Judged>& judged) {
  std::stable_sort(boxes.begin(), boxes.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  boxes.resize(std::min(boxes.size(), kMostBoxes));
  std::vector<bool> taken(truth.size(), false);
  for (const Detection& box : boxes) {
    size_t best = truth.size();
    double most = iou;
    bool on_crowd = false;
    for (size_t t = 0; t < truth.size(); ++t) {
      const LabelledBox& other = truth[t];
      if (other.crowd) {
        on_crowd = on_crowd || share_on(box, other) >= iou;
        continue;
      }
      const double overlap = box_iou(box, {other.x0, other.y0, other.x1, other.y1});
      if (taken[t] || overlap < most) continue;
      most = overlap;
      best = t;
    }
    if (best < truth.size()) taken[best] = true;
    if (best < truth.size() || !on_crowd) judged.push_back({box.score, best < truth.size()});
  }
}

/// Area under precision over recall, at 101 recalls; `total` true boxes are there to be found.
double area(std::vector<Judged> judged, int64_t total) {
  std::stable_sort(judged.begin(), judged.end(),
                   [](const Judged& a, const Judged& b) { return a.score > b.score; });
  std::vector<double> recall, precision;
  int64_t hits = 0;
  for (size_t i = 0; i < judged.size(); ++i) {
    hits += judged[i].hit ? 1 : 0;
    recall.push_back(double(hits) / double(total));
    precision.push_back(double(hits) / double(i + 1));
  }
  for (size_t i = precision.size(); i-- > 1;) {
    precision[i - 1] = std::max(precision[i - 1], precision[i]);
  }
  double sum = 0.0;
  for (int r = 0; r < kRecalls; ++r) {
    const auto at = std::lower_bound(recall.begin(), recall.end(), double(r) / (kRecalls - 1));
    if (at != recall.end()) sum += precision[size_t(at - recall.begin())];
  }
  return sum / kRecalls;
}

template <typename T>
std::vector<T> of_class(const std::vector<T>& boxes, int64_t id) {
  std::vector<T> chosen;
  std::copy_if(boxes.begin(), boxes.end(), std::back_inserter(chosen),
               [&](const T& box) { return box.class_id == id; });
  return chosen;
}

}  // namespace

double average_precision(std::span<const std::vector<Detection>> found,
                         std::span<const std::vector<LabelledBox>> truth, double iou) {
  check(found.size() == truth.size(), ErrorCode::kInvalidArgument,
        "boxes were found in {} pictures, but {} are labelled", found.size(), truth.size());
  std::set<int64_t> classes;
  for (const auto& boxes : truth) {
    for (const LabelledBox& box : boxes) {
      if (!box.crowd) classes.insert(box.class_id);
    }
  }
  check(!classes.empty(), ErrorCode::kInvalidArgument,
        "the labels hold no box: there is no average precision");
  double sum = 0.0;
  for (const int64_t id : classes) {
    std::vector<Judged> judged;
    int64_t total = 0;
    for (size_t i = 0; i < truth.size(); ++i) {
      const auto own = of_class(truth[i], id);
      total += std::count_if(own.begin(), own.end(), [](const auto& box) { return !box.crowd; });
      judge(of_class(found[i], id), own, iou, judged);
    }
    sum += area(std::move(judged), total);
  }
  return sum / double(classes.size());
}

}  // namespace octile
