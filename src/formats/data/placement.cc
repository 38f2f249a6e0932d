// The geometry of preprocessing: where a picture lies on the network's input. Whole numbers alone,
// so that drawing pictures and mapping boxes back cannot disagree.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "formats/data/preprocess.h"

namespace octile {
namespace {

using Fit = Preprocess::Fit;

/// The short side becomes `side`; the other is rounded down. The middle is cropped.
void crop_resized(Placement& at, int64_t height, int64_t width, int64_t side) {
  const int64_t shorter = std::min(height, width);
  at.height = height * side / shorter;
  at.width = width * side / shorter;
}

/// Just large enough to cover the input.
void cover(Placement& at, int64_t height, int64_t width) {
  const float ratio =
      std::max(float(at.input_height) / float(height), float(at.input_width) / float(width));
  const auto scaled = [&](int64_t extent, int64_t least) {
    return std::max(least, int64_t(std::lround(float(extent) * ratio)));
  };
  at.height = scaled(height, at.input_height);
  at.width = scaled(width, at.input_width);
}

/// As large as the input holds; the side that leaves room is rounded down, as YOLOX does.
void letterbox(Placement& at, int64_t height, int64_t width) {
  if (at.input_height * width <= at.input_width * height) {
    at.height = at.input_height;
    at.width = std::max<int64_t>(1, width * at.input_height / height);
  } else {
    at.width = at.input_width;
    at.height = std::max<int64_t>(1, height * at.input_width / width);
  }
}

}  // namespace

Placement place_picture(int64_t height, int64_t width, const Preprocess& p, const Shape& input,
                        const std::string& origin) {
  const bool nhwc = p.layout == Preprocess::Layout::kNhwc;
  const auto extent = [&](int64_t asked, int axis, int64_t own) {
    if (asked > 0) return asked;
    return input.rank() == 4 && input[axis] > 0 ? input[axis] : own;
  };
  Placement at;
  at.input_height = at.height = extent(p.height, nhwc ? 1 : 2, height);
  at.input_width = at.width = extent(p.width, nhwc ? 2 : 3, width);
  const bool crop_after_resize = p.fit == Fit::kCropCenter && p.resize > 0;
  if (crop_after_resize) {
    check(p.resize >= at.input_height && p.resize >= at.input_width, ErrorCode::kInvalidArgument,
          "{}: --preprocess resize={} is less than the crop of {}x{}; make it larger", origin,
          p.resize, at.input_height, at.input_width);
    crop_resized(at, height, width, p.resize);
  } else if (height != at.input_height || width != at.input_width) {
    check(p.fit != Fit::kNone, ErrorCode::kInvalidArgument,
          "{}: the picture is {}x{}, the input {}x{}; say how it shall fit by --preprocess "
          "fit=stretch, fit=crop or fit=letterbox",
          origin, height, width, at.input_height, at.input_width);
    if (p.fit == Fit::kCropCenter) cover(at, height, width);
    if (p.fit == Fit::kLetterbox) letterbox(at, height, width);
  }
  const bool corner = p.fit == Fit::kLetterbox && !p.letterbox_center;
  const auto middle = [&](int64_t outer, int64_t inner) {
    return inner > outer ? -((inner - outer) / 2) : (outer - inner) / 2;
  };
  at.top = corner ? 0 : middle(at.input_height, at.height);
  at.left = corner ? 0 : middle(at.input_width, at.width);
  return at;
}

}  // namespace octile
