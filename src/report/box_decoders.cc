// How networks say boxes: one table, one row a way, each with its formula and source.
#include "report/box_decoders.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace octile {
namespace {

std::string shapes_of(std::span<const Tensor> outputs) {
  std::string text;
  for (const Tensor& t : outputs) {
    text +=
        fmt::format("{}{} {}", text.empty() ? "" : ", ", name_of(t.type()), t.shape().to_string());
  }
  return text;
}

[[noreturn]] void refuse(const char* decoder, const char* wanted, std::span<const Tensor> outputs) {
  fail(ErrorCode::kInvalidArgument, "boxes '{}' are {}; the outputs are {}", decoder, wanted,
       shapes_of(outputs));
}

bool is_floats(const Tensor& t, int rank) {
  return t.type() == DataType::kFloat32 && t.shape().rank() == rank;
}

Detection centred(double cx, double cy, double w, double h, double score, int64_t class_id) {
  return {cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, score, class_id};
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

// --- yolox ---

constexpr int64_t kYoloxStrides[] = {8, 16, 32};

std::vector<Detection> decode_yolox(std::span<const Tensor> outputs, int64_t row,
                                    const Placement& input, double threshold) {
  int64_t anchors = 0;
  for (int64_t s : kYoloxStrides) anchors += (input.input_height / s) * (input.input_width / s);
  if (outputs.empty() || !is_floats(outputs[0], 3) || outputs[0].shape()[2] < 6 ||
      outputs[0].shape()[1] != anchors) {
    refuse("yolox",
           fmt::format("one float32 output (N, {}, 5 + classes) for an input of {}x{}", anchors,
                       input.input_height, input.input_width)
               .c_str(),
           outputs);
  }
  const int64_t extent = outputs[0].shape()[2];
  const float* v = outputs[0].as<float>() + row * anchors * extent;
  std::vector<Detection> boxes;
  for (int64_t s : kYoloxStrides) {
    const auto stride = double(s);
    for (int64_t y = 0; y < input.input_height / s; ++y) {
      for (int64_t x = 0; x < input.input_width / s; ++x, v += extent) {
        const float* best = std::max_element(v + 5, v + extent);
        const double score = double(v[4]) * double(*best);
        if (!(score > threshold)) continue;
        boxes.push_back(centred((v[0] + double(x)) * stride, (v[1] + double(y)) * stride,
                                std::exp(double(v[2])) * stride, std::exp(double(v[3])) * stride,
                                score, best - (v + 5)));
      }
    }
  }
  return boxes;
}

// --- fastestdet ---

std::vector<Detection> decode_fastestdet(std::span<const Tensor> outputs, int64_t row,
                                         const Placement& input, double threshold) {
  if (outputs.empty() || !is_floats(outputs[0], 4) || outputs[0].shape()[1] < 6) {
    refuse("fastestdet", "one float32 output (N, 5 + classes, rows, columns)", outputs);
  }
  const Shape& shape = outputs[0].shape();
  const int64_t classes = shape[1] - 5, rows = shape[2], columns = shape[3];
  const int64_t plane = rows * columns;
  const float* sample = outputs[0].as<float>() + row * shape[1] * plane;
  const auto height = double(input.input_height), width = double(input.input_width);
  std::vector<Detection> boxes;
  for (int64_t y = 0; y < rows; ++y) {
    for (int64_t x = 0; x < columns; ++x) {
      const float* v = sample + y * columns + x;
      int64_t best = 0;
      for (int64_t c = 1; c < classes; ++c) {
        if (v[(5 + c) * plane] > v[(5 + best) * plane]) best = c;
      }
      const double score =
          std::pow(double(v[0]), 0.6) * std::pow(double(v[(5 + best) * plane]), 0.4);
      if (!(score > threshold)) continue;
      boxes.push_back(centred((double(x) + std::tanh(double(v[plane]))) / double(columns) * width,
                              (double(y) + std::tanh(double(v[2 * plane]))) / double(rows) * height,
                              sigmoid(v[3 * plane]) * width, sigmoid(v[4 * plane]) * height, score,
                              best));
    }
  }
  return boxes;
}

// --- xyxy ---

/// Boxes (N, M, 4), scores (N, M) or (N, M, classes), and perhaps classes (N, M), in any order.
struct Corners {
  const Tensor* boxes = nullptr;
  const Tensor* scores = nullptr;
  Tensor classes;  // float32 (N, M), or empty
};

Corners corners_of(std::span<const Tensor> outputs) {
  Corners found;
  for (const Tensor& t : outputs) {
    if (found.boxes == nullptr && is_floats(t, 3) && t.shape()[2] == 4) found.boxes = &t;
  }
  for (const Tensor& t : outputs) {
    const Shape& shape = t.shape();
    if (found.boxes == nullptr || &t == found.boxes || shape.rank() < 2) continue;
    const Shape& boxes = found.boxes->shape();
    if (shape[0] != boxes[0] || shape[1] != boxes[1] || shape.rank() > 3) continue;
    const bool integers = t.type() == DataType::kInt32 || t.type() == DataType::kInt64;
    if (t.type() == DataType::kFloat32 && found.scores == nullptr) {
      found.scores = &t;
    } else if (shape.rank() == 2 && (integers || t.type() == DataType::kFloat32)) {
      found.classes = t.cast(DataType::kFloat32);
    }
  }
  const bool good = found.boxes != nullptr && found.scores != nullptr &&
                    (found.classes.bytes() == 0 || found.scores->shape().rank() == 2);
  if (!good) {
    refuse("xyxy",
           "float32 boxes (N, M, 4), scores (N, M) with classes (N, M) or none, or scores (N, M, "
           "classes)",
           outputs);
  }
  return found;
}

std::vector<Detection> decode_corners(std::span<const Tensor> outputs, int64_t row, double width,
                                      double height, double threshold) {
  const Corners found = corners_of(outputs);
  const int64_t count = found.boxes->shape()[1];
  const int64_t columns = found.scores->shape().rank() == 3 ? found.scores->shape()[2] : 1;
  std::vector<Detection> boxes;
  for (int64_t m = row * count; m < (row + 1) * count; ++m) {
    const float* b = found.boxes->as<float>() + m * 4;
    for (int64_t c = 0; c < columns; ++c) {
      const double score = found.scores->as<float>()[m * columns + c];
      if (!(score > threshold)) continue;
      const int64_t id = found.classes.bytes() > 0 ? int64_t(found.classes.as<float>()[m]) : c;
      boxes.push_back({b[0] * width, b[1] * height, b[2] * width, b[3] * height, score, id});
    }
  }
  return boxes;
}

std::vector<Detection> decode_xyxy(std::span<const Tensor> outputs, int64_t row, const Placement&,
                                   double threshold) {
  return decode_corners(outputs, row, 1.0, 1.0, threshold);
}

std::vector<Detection> decode_xyxy_relative(std::span<const Tensor> outputs, int64_t row,
                                            const Placement& input, double threshold) {
  return decode_corners(outputs, row, double(input.input_width), double(input.input_height),
                        threshold);
}

constexpr BoxDecoder kDecoders[] = {
    {{"yolox",
      "(N, anchors, 5 + classes), strides 8, 16, 32: centre = (v + cell)·stride, extents = "
      "exp(v)·stride, score = object·class (Megvii YOLOX, demo/ONNXRuntime)",
      0.65},
     decode_yolox},
    {{"fastestdet",
      "(N, 5 + classes, rows, columns): centre = (cell + tanh v)/cells, extents = sigmoid v, score "
      "= object^0.6·class^0.4 (dog-qiuqiu/FastestDet, utils/tool.py)",
      0.45},
     decode_fastestdet},
    {{"xyxy",
      "corners x0 y0 x1 y1 (N, M, 4) in pixels of the input, scores (N, M[, classes]) and perhaps "
      "classes (N, M): decoded by the network",
      0.65},
     decode_xyxy},
    {{"xyxy-relative", "as xyxy, the corners within 0 … 1 of the input", 0.65},
     decode_xyxy_relative},
};

}  // namespace

std::vector<BoxDecoderInfo> box_decoders() {
  std::vector<BoxDecoderInfo> list;
  for (const BoxDecoder& row : kDecoders) list.push_back(row.info);
  return list;
}

const BoxDecoder& find_box_decoder(std::string_view name) {
  std::string known;
  for (const BoxDecoder& row : kDecoders) {
    if (row.info.name == name) return row;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", row.info.name);
  }
  fail(ErrorCode::kInvalidArgument, "boxes '{}' are unknown; use one of {}", name, known);
}

}  // namespace octile
