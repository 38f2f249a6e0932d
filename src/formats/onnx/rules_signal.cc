// Signals: DFT, STFT (frames by Gather, times the window, then DFT), windows and the mel matrix,
// which are made at import.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// The numbers in the last axis: 1 real, 2 complex.
int64_t parts_of(Node& node, const Shape& x) {
  const int64_t parts = x.rank() >= 2 ? x[x.rank() - 1] : 0;
  node.require(parts == 1 || parts == 2,
               "its input {} must have 1 (real) or 2 (complex) elements on the last axis",
               x.to_string());
  return parts;
}

/// One scalar that must be a length: positive, moderate.
int64_t length_input(Node& node, int index, std::string_view what) {
  const int64_t length = node.integer_input(index, what);
  node.require(length > 0 && length <= kMostMadeElements, "its {} is {}, out of range (1 to {})",
               what, length, kMostMadeElements);
  return length;
}

/// Indices of the samples of every frame.
Tensor frame_indices(int64_t frames, int64_t step, int64_t length) {
  Tensor indices(DataType::kInt64, Shape{frames, length});
  for (int64_t f = 0; f < frames; ++f) {
    for (int64_t i = 0; i < length; ++i) indices.as<int64_t>()[f * length + i] = f * step + i;
  }
  return indices;
}

/// a0 − a1·cos(2πi/n) + a2·cos(4πi/n)
struct WindowRow {
  std::string_view op_type;
  double a0, a1, a2;
};
constexpr WindowRow kWindows[] = {{"BlackmanWindow", 0.42, 0.5, 0.08},
                                  {"HammingWindow", 25.0 / 46.0, 21.0 / 46.0, 0.0},
                                  {"HannWindow", 0.5, 0.5, 0.0}};

/// Spectrum bins of the corners of the mel bands' triangles.
std::vector<int64_t> mel_corners(Node& node, int64_t bands, int64_t dft_length) {
  const int64_t rate = length_input(node, 2, "sample_rate");
  const auto mel = [](double hertz) { return 2595.0 * std::log10(1.0 + hertz / 700.0); };
  const double low = mel(node.number_input(3, "lower_edge_hertz")),
               high = mel(node.number_input(4, "upper_edge_hertz"));
  const double step = (high - low) / static_cast<double>(bands + 2);
  std::vector<int64_t> corners;
  for (int64_t i = 0; i < bands + 2; ++i) {
    const double hertz =
        700.0 * (std::pow(10.0, (low + static_cast<double>(i) * step) / 2595.0) - 1.0);
    const double bin =
        std::floor(static_cast<double>(dft_length + 1) * hertz / static_cast<double>(rate));
    node.require(bin >= 0.0 && bin <= std::floor(static_cast<double>(dft_length) / 2.0),
                 "its bands reach beyond the spectrum: {} Hz", hertz);
    corners.push_back(static_cast<int64_t>(bin));
  }
  return corners;
}

Tensor mel_matrix(int64_t bins, int64_t bands, const std::vector<int64_t>& corners) {
  Tensor matrix(DataType::kFloat32, Shape{bins, bands});
  for (int64_t band = 0; band < bands; ++band) {
    const int64_t* corner = corners.data() + band;
    const auto at = [&](int64_t bin) -> float& { return matrix.as<float>()[bin * bands + band]; };
    const auto up = static_cast<float>(corner[1] - corner[0]),
               down = static_cast<float>(corner[2] - corner[1]);
    if (corner[1] == corner[0]) at(corner[1]) = 1.0f;
    for (int64_t bin = corner[0]; corner[1] > corner[0] && bin <= corner[1]; ++bin) {
      at(bin) = static_cast<float>(bin - corner[0]) / up;
    }
    for (int64_t bin = corner[1]; bin < corner[2]; ++bin) {
      at(bin) = static_cast<float>(corner[2] - bin) / down;
    }
  }
  return matrix;
}

}  // namespace

void import_dft(Node& node) {
  const Shape x = node.shape(0);
  parts_of(node, x);
  Fourier op;
  const bool input_axis = node.opset() >= 20;
  const int64_t axis = !input_axis   ? node.integer("axis", 1)
                       : node.has(2) ? node.integer_input(2, "axis")
                                     : -2;
  op.axis = node.axis(axis, x.rank());
  op.inverse = node.integer("inverse", 0) != 0;
  op.onesided = node.integer("onesided", 0) != 0;
  if (op.inverse && op.onesided) node.unsupported("it is both inverse and one-sided");
  if (node.has(1)) op.length = length_input(node, 1, "dft_length");
  node.output(node.add(op, {node.in(0)}));
}

void import_stft(Node& node) {
  const Shape x = node.shape(0);
  const int64_t parts = parts_of(node, x);
  node.require(x.rank() == 3, "its signal {} must be (batch, samples, parts)", x.to_string());
  if (x[1] == kDynamic) node.unsupported("its signal has an unknown number of samples");
  const int64_t step = length_input(node, 1, "frame_step");
  node.require(node.has(2) || node.has(3), "it has neither a window nor a frame_length");
  const int64_t length = node.has(3) ? length_input(node, 3, "frame_length") : node.shape(2)[0];
  node.require(!node.has(2) || (node.rank(2) == 1 && node.shape(2)[0] == length),
               "its window has not the frame's length {}", length);
  node.require(length > 0 && length <= x[1], "a frame has {} samples, but the signal {}", length,
               x[1]);
  const int64_t frames = (x[1] - length) / step + 1;
  node.require(frames * length <= kMostMadeElements, "{} frames of {} are too large", frames,
               length);
  TensorId y = node.add(
      Gather{1}, {node.in(0), node.add_constant(frame_indices(frames, step, length), "frames")});
  if (node.has(2)) {
    Shuffle column;
    column.has_reshape = true;
    column.dims = {length, 1};
    y = node.elementwise(ElementwiseKind::kMul, y, node.add(std::move(column), {node.in(2)}));
  }
  Fourier op;
  op.axis = 2;
  op.onesided = parts == 1 && node.integer("onesided", 1) != 0;
  node.attribute("onesided");
  node.output(node.add(op, {y}));
}

void import_window(Node& node) {
  const auto* row = std::find_if(std::begin(kWindows), std::end(kWindows),
                                 [&](const auto& r) { return r.op_type == node.op_type(); });
  check(row != std::end(kWindows), ErrorCode::kInternal, "no window {}", node.op_type());
  const int64_t size = length_input(node, 0, "size");
  const bool periodic = node.integer("periodic", 1) != 0;
  const double turn = 2.0 * std::numbers::pi /
                      static_cast<double>(std::max<int64_t>(periodic ? size : size - 1, 1));
  Tensor window(DataType::kFloat32, Shape{size});
  for (int64_t i = 0; i < size; ++i) {
    const double angle = turn * static_cast<double>(i);
    window.as<float>()[i] =
        static_cast<float>(row->a0 - row->a1 * std::cos(angle) + row->a2 * std::cos(2.0 * angle));
  }
  node.output(0,
              Value::of(window.cast(node.type_attribute("output_datatype", DataType::kFloat32))));
}

void import_mel_weight_matrix(Node& node) {
  const int64_t bands = length_input(node, 0, "num_mel_bins"),
                dft_length = length_input(node, 1, "dft_length"), bins = dft_length / 2 + 1;
  node.require(bands * bins <= kMostMadeElements, "its matrix of {} by {} is too large", bins,
               bands);
  const Tensor matrix = mel_matrix(bins, bands, mel_corners(node, bands, dft_length));
  node.output(0,
              Value::of(matrix.cast(node.type_attribute("output_datatype", DataType::kFloat32))));
}

}  // namespace octile
