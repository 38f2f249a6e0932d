// Decode → fit → colour → x · scale → (x − mean) / std → layout. Bilinear with half-pixel centres;
// every step is binary32 in a fixed order, so that a sample is the same bits on every machine.
#include "formats/data/preprocess.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace octile {
namespace {

using Color = Preprocess::Color;

/// Float picture, (height, width, channels).
struct Canvas {
  int64_t height, width, channels;
  std::vector<float> values;
  float& at(int64_t y, int64_t x, int64_t c) {
    return values[size_t((y * width + x) * channels + c)];
  }
  float at(int64_t y, int64_t x, int64_t c) const {
    return values[size_t((y * width + x) * channels + c)];
  }
};

Canvas make_canvas(int64_t h, int64_t w, int64_t c, float fill = 0.0f) {
  return {h, w, c, std::vector<float>(size_t(h * w * c), fill)};
}

Canvas from_picture(const Picture& p) {
  Canvas canvas = make_canvas(p.height, p.width, p.channels);
  std::copy(p.bytes.begin(), p.bytes.end(), canvas.values.begin());
  return canvas;
}

struct Taps {
  int64_t low, high;
  float weight;  // of high
};

Taps taps(int64_t out, int64_t out_extent, int64_t in_extent) {
  const float ratio = float(in_extent) / float(out_extent);
  const float x = std::max(0.0f, (float(out) + 0.5f) * ratio - 0.5f);
  const int64_t low = std::min(int64_t(x), in_extent - 1);
  return {low, std::min(low + 1, in_extent - 1), x - float(low)};
}

/// A part of the picture resized to (height, width); only the part is ever computed.
struct Part {
  int64_t height, width, top, left, h, w;
};

Canvas resize_part(const Canvas& in, const Part& part) {
  Canvas out = make_canvas(part.h, part.w, in.channels);
  for (int64_t y = 0; y < part.h; ++y) {
    const Taps v = taps(part.top + y, part.height, in.height);
    for (int64_t x = 0; x < part.w; ++x) {
      const Taps u = taps(part.left + x, part.width, in.width);
      for (int64_t c = 0; c < in.channels; ++c) {
        const float top =
            in.at(v.low, u.low, c) * (1.0f - u.weight) + in.at(v.low, u.high, c) * u.weight;
        const float bottom =
            in.at(v.high, u.low, c) * (1.0f - u.weight) + in.at(v.high, u.high, c) * u.weight;
        out.at(y, x, c) = top * (1.0f - v.weight) + bottom * v.weight;
      }
    }
  }
  return out;
}

/// The picture at its place; what it leaves free of the input is `fill`.
Canvas place(const Canvas& in, const Placement& at, float fill) {
  const int64_t top = std::max<int64_t>(0, at.top), left = std::max<int64_t>(0, at.left);
  const Part part{at.height,
                  at.width,
                  top - at.top,
                  left - at.left,
                  std::min(at.input_height, at.top + at.height) - top,
                  std::min(at.input_width, at.left + at.width) - left};
  const bool unchanged =
      in.height == at.height && in.width == at.width && part.h == in.height && part.w == in.width;
  Canvas shown = unchanged ? in : resize_part(in, part);
  if (part.h == at.input_height && part.w == at.input_width) return shown;
  Canvas out = make_canvas(at.input_height, at.input_width, in.channels, fill);
  for (int64_t y = 0; y < shown.height; ++y) {
    for (int64_t x = 0; x < shown.width; ++x) {
      for (int64_t c = 0; c < in.channels; ++c) out.at(top + y, left + x, c) = shown.at(y, x, c);
    }
  }
  return out;
}

/// BT.601 weights, as image libraries use for grey.
Canvas to_gray(const Canvas& in) {
  if (in.channels == 1) return in;
  Canvas out = make_canvas(in.height, in.width, 1);
  for (int64_t y = 0; y < in.height; ++y) {
    for (int64_t x = 0; x < in.width; ++x) {
      out.at(y, x, 0) = 0.299f * in.at(y, x, 0) + 0.587f * in.at(y, x, 1) + 0.114f * in.at(y, x, 2);
    }
  }
  return out;
}

Canvas to_rgb(const Canvas& in, bool reversed) {
  Canvas out = make_canvas(in.height, in.width, 3);
  for (int64_t y = 0; y < in.height; ++y) {
    for (int64_t x = 0; x < in.width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        out.at(y, x, c) = in.at(y, x, in.channels == 1 ? 0 : reversed ? 2 - c : c);
      }
    }
  }
  return out;
}

Canvas recolor(const Canvas& in, Color color, int64_t wanted_channels) {
  if (color == Color::kGray) return to_gray(in);
  if (color == Color::kRgb || color == Color::kBgr) return to_rgb(in, color == Color::kBgr);
  if (wanted_channels == in.channels) return in;
  return wanted_channels == 1 ? to_gray(in) : to_rgb(in, false);
}

/// x / divisor when the scale was written 1/N, else x · scale; then (x − mean) / std.
float normalize(float x, const Preprocess& p, int64_t channel) {
  x = p.divisor != 0.0f ? x / p.divisor : x * p.scale;
  const auto pick = [&](const std::vector<float>& list) {
    return list[list.size() == 1 ? 0 : size_t(channel)];
  };
  if (!p.mean.empty()) x = x - pick(p.mean);
  if (!p.std.empty()) x = x / pick(p.std);
  return x;
}

void check_channels(const Preprocess& p, int64_t channels, const std::string& origin) {
  for (const auto* list : {&p.mean, &p.std}) {
    check(list->empty() || list->size() == 1 || int64_t(list->size()) == channels,
          ErrorCode::kInvalidArgument,
          "{}: --preprocess gives {} values of mean or std for {} "
          "channels",
          origin, list->size(), channels);
  }
}

}  // namespace

Tensor prepare_picture(const Picture& picture, const Preprocess& p, const Shape& input,
                       const std::string& origin) {
  const bool nhwc = p.layout == Preprocess::Layout::kNhwc;
  const bool known = input.rank() == 4;
  const int64_t channels = known ? input[nhwc ? 3 : 1] : kDynamic;
  const Placement spot = place_picture(picture.height, picture.width, p, input, origin);
  const int64_t h = spot.input_height, w = spot.input_width;
  Canvas canvas = place(from_picture(picture), spot, p.letterbox_value);
  canvas = recolor(canvas, p.color, channels > 0 ? channels : canvas.channels);
  check(channels <= 0 || canvas.channels == channels, ErrorCode::kInvalidArgument,
        "{}: the picture has {} channels after --preprocess, the input {}", origin, canvas.channels,
        channels);
  check_channels(p, canvas.channels, origin);
  Tensor sample(DataType::kFloat32,
                nhwc ? Shape{1, h, w, canvas.channels} : Shape{1, canvas.channels, h, w});
  float* out = sample.as<float>();
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) {
      for (int64_t c = 0; c < canvas.channels; ++c) {
        const int64_t at = nhwc ? (y * w + x) * canvas.channels + c : (c * h + y) * w + x;
        out[at] = normalize(canvas.at(y, x, c), p, c);
      }
    }
  }
  return sample;
}

void prepare_array(Tensor& values, const Preprocess& p, int channel_axis,
                   const std::string& origin) {
  Preprocess arithmetic;
  arithmetic.scale = p.scale;
  arithmetic.divisor = p.divisor;
  arithmetic.mean = p.mean;
  arithmetic.std = p.std;
  arithmetic.layout = p.layout;
  check(
      p == arithmetic, ErrorCode::kInvalidArgument,
      "{}: only scale, mean and std apply to arrays; fit, size, resize and color are for pictures",
      origin);
  if (p.is_identity()) return;
  const Shape& shape = values.shape();
  const bool has_channels = channel_axis < shape.rank();
  check_channels(p, has_channels ? shape[channel_axis] : 1, origin);
  int64_t inner = 1;
  for (int axis = channel_axis + 1; axis < shape.rank(); ++axis) inner *= shape[axis];
  float* x = values.as<float>();
  const int64_t count = values.volume();
  for (int64_t i = 0; i < count; ++i) {
    x[i] = normalize(x[i], p, has_channels ? i / inner % shape[channel_axis] : 0);
  }
}

}  // namespace octile
