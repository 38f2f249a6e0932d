// evaluation_work(): how long the plain loops of evaluate() take, counted before they run.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/sum_tile.h"
#include "ops/window.h"

namespace octile {
namespace {

using Shapes = std::span<const Shape>;

/// An axis without elements counts as one: loops over the other axes run all the same.
double count(int64_t extent) { return static_cast<double>(std::max<int64_t>(extent, 1)); }

double volume(const Shape& shape) {
  double product = 1.0;
  for (const int64_t extent : shape) product *= count(extent);
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

  double operator()(const Convolution& op) const {
    return window_sum(op.groups, count(in[1][0]) / count(op.groups), in[1]);
  }
  double operator()(const Deconvolution& op) const {
    return kTap * window_sum(op.groups, count(in[1][1]), in[1]);
  }
  double operator()(const MatrixMultiply& op) const {
    const Shape &a = in[0], &b = in[1];
    const auto at = [](const Shape& x, bool last) {
      return count(x[x.rank() - (last || x.rank() < 2 ? 1 : 2)]);
    };
    const double columns = b.rank() < 2 ? 1.0 : at(b, !op.transpose_b);
    return volume(out[0]) / columns * tiles(columns) * at(a, !op.transpose_a);
  }
  double operator()(const Recurrent&) const {
    return kTap * count(in[0][0]) * count(in[0][1]) * (volume(in[1]) + volume(in[2]));
  }
  /// n · log2 n and, of an odd factor of the length, its square.
  double operator()(const Fourier& op) const {
    const Shape& x = in[0];
    const auto axis = static_cast<int>(resolve_axis(op.axis, x.rank(), "axis"));
    int64_t odd = op.length > 0 ? op.length : std::max<int64_t>(x[axis], 1);
    const auto length = static_cast<double>(odd);
    double halvings = 0.0;
    for (; odd % 2 == 0; odd /= 2) halvings += 1.0;
    const double runs = volume(x) / count(x[axis]) / count(x[x.rank() - 1]);
    return runs * length * 2.0 * kFunction * (1.0 + halvings + static_cast<double>(odd));
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
      const auto a = static_cast<size_t>(axis);
      const bool scaled = a < op.scales.size() && op.scales[a] != 1.0f;
      if (in[0][axis] == out[0][axis] && !scaled && op.roi.empty()) continue;
      const double shrinks = count(in[0][axis]) / count(out[0][axis]);
      product *= kTap * (op.antialias ? std::max(1.0, shrinks) : 1.0);
    }
    return product;
  }
  double operator()(const GridSample&) const {
    return kScattered * volume(out[0]) * std::pow(4.0, static_cast<double>(in[0].rank() - 2));
  }
  /// Without a ratio the boxes' sizes decide: see import_roi_align().
  double operator()(const RoiAlign& op) const {
    const double samples = count(op.sampling_ratio);
    return kFunction * kScattered * volume(out[0]) * samples * samples;
  }
  double operator()(const Determinant&) const {
    return volume(in[0]) * count(in[0][in[0].rank() - 1]);
  }
  double operator()(const TopK& op) const { return best_of(op.axis); }
  double operator()(const TopKOf& op) const { return best_of(op.axis); }
  double operator()(const Unique& op) const {
    double slices = volume(in[0]);
    if (!op.flat) {
      slices = count(in[0][static_cast<int>(resolve_axis(op.axis, in[0].rank(), "axis"))]);
    }
    return kFunction * sorting(slices) * volume(in[0]) / slices;
  }
  double operator()(const NonMaxSuppression& op) const {
    const double boxes = in[0].rank() == 3 ? count(in[0][1]) : 1.0;
    const double kept = std::min(boxes, static_cast<double>(op.max_output));
    return kFunction * volume(in[1]) * (kept + sorting(boxes) / boxes);
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
  /// ops/window_sum.h: terms are staged for the output channels of a group, kTileRows at a time.
  double window_sum(int64_t groups, double rows, const Shape& weights) const {
    const Shape& y = out[0];
    const double images = count(y[0]) * count(groups),
                 pixels = volume(y) / count(y[0]) / count(y[1]),
                 terms = volume(weights) / count(weights[0]) / count(weights[1]);
    const double channels = count(in[0][1]) / count(groups);
    const double stagings = std::ceil(rows / kTileRows);
    return images * tiles(pixels) * channels * terms * (rows + kScattered * stagings);
  }
  double best_of(int64_t axis) const {
    const Shape& x = in[0];
    const double extent = count(x[static_cast<int>(resolve_axis(axis, x.rank(), "axis"))]);
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
