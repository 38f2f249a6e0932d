// evaluation_work(): how long the plain loops of evaluate() take, counted before they run.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/sum_tile.h"
#include "ops/window.h"

namespace octile {
namespace {

using Shapes = std::span<const Shape>;

double volume(const Shape& shape) {
  double product = 1.0;
  for (const int64_t extent : shape) product *= static_cast<double>(std::max<int64_t>(extent, 0));
  return product;
}

/// Comparisons of a sort of n.
double sorting(double n) { return n * std::max(1.0, std::log2(std::max(n, 1.0))); }

/// Taps of one window that can lie on the image.
double taps(const Window& window, bool global, const Shape& image) {
  double product = 1.0;
  for (int axis = 0; axis + 2 < image.rank(); ++axis) {
    const int64_t extent = image[axis + 2];
    product *=
        static_cast<double>(global ? extent : std::min(extent, entry(window.kernel, axis, 1)));
  }
  return product;
}

// What one step costs, in products of a large matrix product (seen under the address sanitizer,
// where it matters most).
constexpr double kMove = 4.0;        // an element read or written
constexpr double kTap = 4.0;         // of a pooling's window, of a recurrence
constexpr double kFunction = 8.0;    // exp or the like; a comparison through a list of indices
constexpr double kScattered = 16.0;  // a product whose terms are looked for one by one

/// Products and convolutions compute kTile outputs at a time.
double tiles(double outputs) { return std::ceil(outputs / kTile) * kTile; }

struct Work {
  Shapes in, out;

  /// Inputs are staged for the channels that share them.
  double operator()(const Convolution& op) const {
    const Shape& y = out[0];
    const auto channels = static_cast<double>(std::max<int64_t>(in[1][0], 1));
    const double images = static_cast<double>(y[0]) * channels,
                 pixels = volume(y) / std::max(images, 1.0),
                 sharing = std::max(1.0, channels / static_cast<double>(op.groups));
    return images * tiles(pixels) * volume(in[1]) / channels * (1.0 + kScattered / sharing);
  }
  double operator()(const Deconvolution&) const {
    return kScattered * volume(in[0]) * volume(in[1]) /
           static_cast<double>(std::max<int64_t>(in[1][0], 1));
  }
  double operator()(const MatrixMultiply& op) const {
    const Shape &a = in[0], &b = in[1];
    const auto at = [](const Shape& x, bool last) {
      return static_cast<double>(x[x.rank() - (last || x.rank() < 2 ? 1 : 2)]);
    };
    const double columns = b.rank() < 2 ? 1.0 : at(b, !op.transpose_b);
    return volume(out[0]) / std::max(columns, 1.0) * tiles(columns) * at(a, !op.transpose_a);
  }
  double operator()(const Recurrent&) const {
    return kTap * static_cast<double>(in[0][0] * in[0][1]) * (volume(in[1]) + volume(in[2]));
  }
  /// n · log2 n and, of an odd factor of the length, its square.
  double operator()(const Fourier& op) const {
    const Shape& x = in[0];
    const auto axis = static_cast<int>(resolve_axis(op.axis, x.rank(), "axis"));
    const int64_t extent = std::max<int64_t>(x[axis], 1);
    int64_t odd = op.length > 0 ? op.length : extent;
    const auto length = static_cast<double>(odd);
    double halvings = 0.0;
    for (; odd % 2 == 0 && odd > 0; odd /= 2) halvings += 1.0;
    return volume(x) / static_cast<double>(extent) * length * kFunction *
           (1.0 + halvings + static_cast<double>(odd));
  }
  double operator()(const Pooling& op) const {
    return volume(out[0]) * kTap * (8.0 + taps(op.window, op.global, in[0]));
  }
  double operator()(const PoolingIndices& op) const {
    return volume(out[0]) * kTap * (8.0 + taps(op.window, false, in[0]));
  }
  /// Four taps an axis; antialiasing reads as many times more as the image shrinks.
  double operator()(const Resize& op) const {
    double product = kFunction * volume(out[0]);
    if (op.kind == ResizeKind::kNearest) return product;
    for (int axis = 0; axis < in[0].rank(); ++axis) {
      const auto from = static_cast<double>(in[0][axis]), to = static_cast<double>(out[0][axis]);
      if (from == to || to == 0.0) continue;
      product *= kTap * (op.antialias ? std::max(1.0, from / to) : 1.0);
    }
    return product;
  }
  double operator()(const GridSample&) const {
    return kScattered * volume(out[0]) * std::pow(4.0, static_cast<double>(in[0].rank() - 2));
  }
  double operator()(const RoiAlign& op) const {
    // Without a ratio the boxes' sizes decide, which are not looked at.
    const auto samples =
        static_cast<double>(op.sampling_ratio > 0 ? op.sampling_ratio : kMostSamples);
    return kFunction * kScattered * volume(out[0]) * samples * samples;
  }
  double operator()(const Determinant&) const {
    return volume(in[0]) * static_cast<double>(in[0][in[0].rank() - 1]);
  }
  double operator()(const TopK& op) const { return best_of(op.axis); }
  double operator()(const TopKOf& op) const { return best_of(op.axis); }
  double operator()(const Unique& op) const {
    double slices = volume(in[0]);
    if (!op.flat) {
      slices =
          static_cast<double>(in[0][static_cast<int>(resolve_axis(op.axis, in[0].rank(), "axis"))]);
    }
    return kFunction * sorting(slices) * volume(in[0]) / std::max(slices, 1.0);
  }
  double operator()(const NonMaxSuppression& op) const {
    const auto boxes = static_cast<double>(in[0].rank() == 3 ? in[0][1] : 0);
    return kFunction * volume(in[1]) * std::min(boxes, static_cast<double>(op.max_output));
  }
  double operator()(const Activation&) const { return kFunction * volume(out[0]); }
  double operator()(const Unary&) const { return kFunction * volume(out[0]); }
  double operator()(const Scale&) const { return kFunction * volume(out[0]); }
  double operator()(const Elementwise&) const { return kFunction * volume(out[0]); }
  double operator()(const Softmax&) const { return kFunction * volume(out[0]); }
  template <typename Other>
  double operator()(const Other&) const {
    return 0.0;
  }

 private:
  double best_of(int64_t axis) const {
    const Shape& x = in[0];
    const auto extent = static_cast<double>(
        std::max<int64_t>(1, x[static_cast<int>(resolve_axis(axis, x.rank(), "axis"))]));
    return kFunction * volume(x) / extent * sorting(extent);
  }
};

}  // namespace

double evaluation_work(const Op& op, std::span<const Shape> inputs,
                       std::span<const Shape> outputs) {
  double moved = 0.0;
  for (const Shape& shape : inputs) moved += volume(shape);
  for (const Shape& shape : outputs) moved += volume(shape);
  return kMove * moved + std::visit(Work{inputs, outputs}, op);
}

}  // namespace octile
