// RoiAlign: boxes of an image, each resampled to the same number of bins. As in ONNX Runtime, the
// maximum is over the four weighted neighbours of every sample, not over the samples.
#include <algorithm>
#include <cmath>

#include "base/parallel_for.h"
#include "ops/indices.h"
#include "ops/sum_tile.h"

namespace octile {
namespace {

constexpr int64_t kMostSamples = 4096;  // of a bin along an axis: boxes come from data

/// One axis of a box: bins of `size` pixels from `start`, `samples` each.
struct BoxAxis {
  double start, size;
  int64_t samples;
  double at(int64_t bin, int64_t sample) const {
    const double inside = (static_cast<double>(sample) + 0.5) / static_cast<double>(samples);
    return start + (static_cast<double>(bin) + inside) * size;
  }
};

BoxAxis box_axis(const RoiAlign& op, float from, float to, int64_t bins) {
  const double offset = op.half_pixel ? 0.5 : 0.0, scale = op.spatial_scale;
  const double start = static_cast<double>(from) * scale - offset;
  double length = static_cast<double>(to) * scale - offset - start;
  if (!op.half_pixel) length = std::max(length, 1.0);
  const double size = length / static_cast<double>(bins);
  const double wanted = op.sampling_ratio > 0 ? static_cast<double>(op.sampling_ratio)
                                              : std::max(std::ceil(size), 0.0);
  check(std::isfinite(start) && wanted <= static_cast<double>(kMostSamples),
        ErrorCode::kInvalidArgument,
        "a box from {} to {} needs more than {} samples a bin; set sampling_ratio", from, to,
        kMostSamples);
  return {start, size, static_cast<int64_t>(wanted)};
}

/// Two neighbours of a coordinate and the weight of the second; `inside` is false far off.
struct Neighbours {
  int64_t low = 0, high = 0;
  double weight = 0.0;
  bool inside = false;
};

Neighbours neighbours(double x, int64_t extent) {
  if (!(x >= -1.0 && x <= static_cast<double>(extent))) return {};
  x = std::max(x, 0.0);
  const auto low = static_cast<int64_t>(x);
  if (low >= extent - 1) return {extent - 1, extent - 1, 0.0, true};
  return {low, low + 1, x - static_cast<double>(low), true};
}

struct Region {
  BoxAxis y, x;
};

float bin_value(const RoiAlign& op, const float* plane, const Shape& image, const Region& box,
                int64_t row, int64_t column) {
  const bool best = op.kind == PoolingKind::kMax;
  double sum = 0.0, most = -INFINITY;
  for (int64_t i = 0; i < box.y.samples; ++i) {
    const Neighbours y = neighbours(box.y.at(row, i), image[2]);
    for (int64_t j = 0; j < box.x.samples; ++j) {
      const Neighbours x = neighbours(box.x.at(column, j), image[3]);
      double parts[4] = {0.0, 0.0, 0.0, 0.0};
      if (x.inside && y.inside) {
        const float *upper = plane + y.low * image[3], *lower = plane + y.high * image[3];
        parts[0] = (1.0 - y.weight) * (1.0 - x.weight) * static_cast<double>(upper[x.low]);
        parts[1] = (1.0 - y.weight) * x.weight * static_cast<double>(upper[x.high]);
        parts[2] = y.weight * (1.0 - x.weight) * static_cast<double>(lower[x.low]);
        parts[3] = y.weight * x.weight * static_cast<double>(lower[x.high]);
      }
      sum += parts[0] + parts[1] + parts[2] + parts[3];
      most = std::max(most, *std::max_element(parts, parts + 4));
    }
  }
  const int64_t count = box.y.samples * box.x.samples;
  if (count == 0) return 0.0f;
  return static_cast<float>(best ? most : sum / static_cast<double>(count));
}

}  // namespace

Inferred infer_op(const RoiAlign& op, Infos in) {
  require_inputs(in, {"x", "rois", "batch"});
  require_type(in, 0, {DataType::kFloat32});
  require_type(in, 1, {DataType::kFloat32});
  require_type(in, 2, {DataType::kInt32, DataType::kInt64});
  const Shape &x = in[0].shape, &rois = in[1].shape, &batch = in[2].shape;
  check(x.rank() == 4 && x[2] != 0 && x[3] != 0, ErrorCode::kInvalidArgument,
        "x {} must be (N, C, H, W)", x.to_string());
  check(rois.rank() == 2 && may_equal(rois[1], 4) && batch.rank() == 1 &&
            may_equal(rois[0], batch[0]),
        ErrorCode::kInvalidArgument, "rois {} must be (R, 4) and batch {} (R)", rois.to_string(),
        batch.to_string());
  check(op.height >= 1 && op.height <= kMostExtent && op.width >= 1 && op.width <= kMostExtent &&
            op.sampling_ratio >= 0 && op.sampling_ratio <= kMostSamples &&
            std::isfinite(op.spatial_scale),
        ErrorCode::kInvalidArgument, "height {}, width {} or sampling_ratio {} is out of range",
        op.height, op.width, op.sampling_ratio);
  return {{DataType::kFloat32, Shape{rois[0], x[1], op.height, op.width}, nullptr}};
}

void evaluate_op(const RoiAlign& op, Views in, Outs out) {
  const Shape& image = in[0].shape;
  const int64_t channels = image[1], plane = image[2] * image[3], bins = op.height * op.width;
  const auto body = [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t roi = item / channels, channel = item % channels;
      const float* corners = in[1].as<float>() + roi * 4;
      const Region box{box_axis(op, corners[1], corners[3], op.height),
                       box_axis(op, corners[0], corners[2], op.width)};
      const int64_t n = checked_index(index_at(in[2], roi), image[0], 0);
      const float* from = in[0].as<float>() + (n * channels + channel) * plane;
      float* to = out[0].as<float>() + item * bins;
      for (int64_t bin = 0; bin < bins; ++bin) {
        to[bin] = bin_value(op, from, image, box, bin / op.width, bin % op.width);
      }
    }
  };
  parallel_for(in[1].shape[0] * channels, grain_for(bins * 16), body);
}

}  // namespace octile
