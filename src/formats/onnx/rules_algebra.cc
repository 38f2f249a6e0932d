// CumSum, Det, and MelWeightMatrix, which is a constant.
#include <algorithm>
#include <cmath>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// The spectrum's bins at which the mel filters begin, peak and end.
std::vector<int64_t> mel_edges(Node& node, int64_t filters, int64_t length) {
  const double rate = static_cast<double>(node.integer_input(2, "sample_rate"));
  const double low = node.number_input(3, "lower_edge_hertz");
  const double high = node.number_input(4, "upper_edge_hertz");
  node.require(rate > 0.0 && low >= 0.0 && high >= low && high <= rate,
               "edges of {} and {} Hz do not fit a sample rate of {}", low, high, rate);
  const auto mel = [](double hertz) { return 2595.0 * std::log10(1.0 + hertz / 700.0); };
  const double step = (mel(high) - mel(low)) / static_cast<double>(filters + 2);
  std::vector<int64_t> edges;
  for (int64_t i = 0; i < filters + 2; ++i) {
    const double at = mel(low) + static_cast<double>(i) * step;
    const double hertz = 700.0 * (std::pow(10.0, at / 2595.0) - 1.0);
    const double bin = std::floor(static_cast<double>(length + 1) * hertz / rate);
    edges.push_back(static_cast<int64_t>(std::max(bin, 0.0)));
  }
  return edges;
}

}  // namespace

void import_cumulative_sum(Node& node) {
  CumulativeSum op;
  op.axis = node.axis(node.integer_input(1, "axis"), node.rank(0));
  op.exclusive = node.integer("exclusive", 0) != 0;
  op.reverse = node.integer("reverse", 0) != 0;
  node.output(node.add(op, {node.in(0)}));
}

void import_determinant(Node& node) { node.output(node.add(Determinant{}, {node.in(0)})); }

/// Triangles over the bins of a spectrum, evenly spaced in mel.
void import_mel_weight_matrix(Node& node) {
  const int64_t filters = node.integer_input(0, "num_mel_bins");
  const int64_t length = node.integer_input(1, "dft_length");
  node.require(filters >= 1 && length >= 1 && filters <= kMostMadeElements &&
                   length <= kMostMadeElements && (length / 2 + 1) * filters <= kMostMadeElements,
               "a matrix of {} filters of a transform of {} is out of range", filters, length);
  const std::vector<int64_t> edges = mel_edges(node, filters, length);
  const int64_t bins = length / 2 + 1;
  Tensor matrix(DataType::kFloat32, Shape{bins, filters});
  for (int64_t filter = 0; filter < filters; ++filter) {
    const auto f = static_cast<size_t>(filter);
    const int64_t low = edges[f], peak = edges[f + 1], high = edges[f + 2];
    const auto part = [](int64_t a, int64_t b) {
      return static_cast<float>(static_cast<double>(a) / static_cast<double>(b));
    };
    for (int64_t bin = low; bin < std::min(std::max(high, peak + 1), bins); ++bin) {
      const float value = bin < peak    ? part(bin - low, peak - low)
                          : bin == peak ? 1.0f
                                        : part(high - bin, high - peak);
      matrix.as<float>()[bin * filters + filter] = value;
    }
  }
  node.output(0, Value::of(matrix.cast(node.type_attribute("output_datatype", matrix.type()))));
}

}  // namespace octile
