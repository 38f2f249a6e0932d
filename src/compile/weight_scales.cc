// Scales of float weights, one an output channel: the largest weight's, or the one of least
// squared error below it.
#include <algorithm>
#include <cmath>

#include "arithmetic/quantize.h"
#include "compile/assign_precision.h"
#include "compile/weighted.h"

namespace octile {
namespace {

constexpr int kSteps = 64;  // candidates are largest · k / 64

double squared_error(const std::vector<float>& weights, float scale) {
  double error = 0.0;
  for (const float w : weights) {
    const double d = double(w) - double(scale) * quantize_value(w, scale, 0, -127, 127);
    error += d * d;
  }
  return error;
}

/// The |w| that shall become 127: of equals the largest. Clipping below half the largest weight
/// never pays for a channel of few weights, and the sum of all squares stays in view.
float clipped_largest(const std::vector<float>& weights, float largest) {
  float best = largest;
  double least = squared_error(weights, weight_scale(largest, 0.0f, 0.0f));
  for (int k = kSteps - 1; k >= kSteps / 2; --k) {
    const float candidate = largest * static_cast<float>(k) / kSteps;
    const double error = squared_error(weights, weight_scale(candidate, 0.0f, 0.0f));
    if (error >= least) continue;
    least = error;
    best = candidate;
  }
  return best;
}

}  // namespace

std::vector<float> weight_scales(const Network& network, LayerId layer, float input_scale,
                                 BuildOptions::WeightScales kind) {
  const Tensor& weights = *weight_source(network, layer)->value;
  const BiasSource bias = bias_source(network, layer);
  std::vector<std::vector<float>> rows(static_cast<size_t>(output_channels(network, layer)));
  for_each_weight(weights.shape(), output_channel_axis(network, layer), [&](int64_t i, int64_t c) {
    rows[static_cast<size_t>(c)].push_back(weights.as<float>()[i]);
  });
  std::vector<float> scales;
  for (size_t c = 0; c < rows.size(); ++c) {
    float largest = 0.0f;
    bool finite = true;
    for (const float w : rows[c]) {
      largest = std::max(largest, std::fabs(w));
      finite = finite && std::isfinite(w);
    }
    if (kind == BuildOptions::WeightScales::kLeastSquares && finite) {
      largest = clipped_largest(rows[c], largest);
    }
    const float b = bias.value != nullptr ? bias.value->as<float>()[c] : 0.0f;
    scales.push_back(weight_scale(largest, b, input_scale));
  }
  return scales;
}

}  // namespace octile
