// Cross-layer equalization. Between two weighted layers with nothing but a ReLU or a pooling, any
// positive factor a channel may move from one to the other without changing the float function:
// relu(x / s) = relu(x) / s. Here the factors are chosen from what calibration sees of the tensor
// between them, by the noise that they predict. docs/accuracy.md derives it.
#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "compile/free_name.h"
#include "compile/weighted.h"
#include "tune/observe.h"
#include "tune/recipes.h"

namespace octile {
namespace {

/// producer ▸ [activation, pooling …] ▸ x ▸ consumer, with no other reader in between.
struct Pair {
  LayerId producer, consumer;
  TensorId x;                          // the consumer's input
  std::string largest{}, squares{};    // probes: max |x| and mean x², by channel
  std::vector<double> max{}, mean2{};  // what they showed
};

const Tensor* float_weights(const Network& network, LayerId layer) {
  const auto source = weight_source(network, layer);
  const bool plain = source && source->dequantize == nullptr;
  return plain && source->value->type() == DataType::kFloat32 ? source->value : nullptr;
}

bool has_plain_parameters(const Network& network, LayerId layer) {
  const BiasSource bias = bias_source(network, layer);
  return float_weights(network, layer) != nullptr && (!bias.present || bias.value != nullptr) &&
         !std::holds_alternative<Deconvolution>(network.op(layer));
}

/// f(x / s) = f(x) / s for every s > 0, channel by channel.
bool is_homogeneous(const Op& op) {
  if (const auto* activation = std::get_if<Activation>(&op)) {
    return activation->kind == ActivationKind::kRelu ||
           activation->kind == ActivationKind::kLeakyRelu;
  }
  return std::holds_alternative<Pooling>(op) || std::holds_alternative<Identity>(op);
}

bool is_read_once(const Network& network, TensorId t) {
  return network.consumers(t).size() == 1 && !network.is_output(t) && !network.dynamic_range(t);
}

/// One group, or one input channel a group (depthwise): what the factors can be moved into.
bool takes_factors(const Network& network, LayerId layer) {
  const auto* conv = std::get_if<Convolution>(&network.op(layer));
  if (conv == nullptr) return std::holds_alternative<MatrixMultiply>(network.op(layer));
  return conv->groups == 1 || float_weights(network, layer)->shape()[1] == 1;
}

std::optional<LayerId> producer_through(const Network& network, TensorId x, bool product) {
  while (is_read_once(network, x)) {
    const LayerId layer = network.producer(x);
    if (!layer.valid()) return std::nullopt;
    if (network.outputs(layer).size() != 1) return std::nullopt;
    if (has_plain_parameters(network, layer)) {
      const bool same = product == std::holds_alternative<MatrixMultiply>(network.op(layer));
      return same ? std::optional(layer) : std::nullopt;
    }
    if (!is_homogeneous(network.op(layer))) return std::nullopt;
    x = network.inputs(layer)[0];
  }
  return std::nullopt;
}

std::vector<Pair> find_pairs(const Network& network) {
  std::vector<Pair> pairs;
  for (const LayerId layer : network.layers()) {
    if (!has_plain_parameters(network, layer) || !takes_factors(network, layer)) continue;
    const TensorId x = network.inputs(layer)[0];
    const bool product = std::holds_alternative<MatrixMultiply>(network.op(layer));
    const auto producer = producer_through(network, x, product);
    if (producer) pairs.push_back({.producer = *producer, .consumer = layer, .x = x});
  }
  return pairs;
}

int channel_axis(const Network& network, const Pair& pair) {
  const bool product = std::holds_alternative<MatrixMultiply>(network.op(pair.consumer));
  return product ? network.shape(pair.x).rank() - 1 : 1;
}

/// Runs the samples and fills `max` and `mean2` of every pair.
void measure(const Network& network, std::vector<Pair>& pairs, RecipeInputs& inputs) {
  Network probed = network;
  std::vector<std::string> names;
  const auto reduced = [&](TensorId t, ReduceKind kind, int axis) {
    Reduce op{.kind = kind, .axes = {}, .keep_dims = false};
    for (int a = 0; a < probed.shape(t).rank(); ++a) {
      if (a != axis) op.axes.push_back(a);
    }
    const std::string name = free_name(probed, probed.name(t) + "." + std::string(name_of(kind)));
    names.push_back(probed.name(probed.reduce(t, op, name)));
    return names.back();
  };
  for (Pair& pair : pairs) {
    const int axis = channel_axis(network, pair);
    const std::string base = network.name(pair.x) + ".probe";
    const TensorId magnitude =
        probed.unary(pair.x, UnaryKind::kAbs, free_name(probed, base + ".abs"));
    const TensorId square = probed.elementwise(pair.x, pair.x, ElementwiseKind::kMul,
                                               free_name(probed, base + ".square"));
    pair.largest = reduced(magnitude, ReduceKind::kMax, axis);
    pair.squares = reduced(square, ReduceKind::kMean, axis);
  }
  double total = 0.0;
  observe(probed, *inputs.samples, inputs.calibration, names, "equalize",
          [&](int64_t rows, const std::map<std::string, Tensor>& values) {
            total += static_cast<double>(rows);
            for (Pair& pair : pairs) {
              const Tensor &largest = values.at(pair.largest), &squares = values.at(pair.squares);
              pair.max.resize(static_cast<size_t>(largest.volume()), 0.0);
              pair.mean2.resize(pair.max.size(), 0.0);
              for (size_t c = 0; c < pair.max.size(); ++c) {
                pair.max[c] = std::max(pair.max[c], double(largest.as<float>()[c]));
                pair.mean2[c] += double(rows) * squares.as<float>()[c];
              }
            }
          });
  for (Pair& pair : pairs) {
    for (double& value : pair.mean2) value /= total;
  }
}

/// Weights by (output row, input channel): which channel the element i of the blob multiplies.
class Columns {
 public:
  Columns(const Network& network, LayerId layer) : weights_(*float_weights(network, layer)) {
    const Shape& shape = weights_.shape();
    if (const auto* product = std::get_if<MatrixMultiply>(&network.op(layer))) {
      rows_ = shape[product->transpose_b ? 0 : 1];
      channels_ = shape[product->transpose_b ? 1 : 0];
      inner_ = 1;
      transposed_ = !product->transpose_b;
    } else {
      rows_ = shape[0];
      channels_ = shape[1];
      inner_ = shape.volume() / std::max<int64_t>(1, rows_ * channels_);
      depthwise_ = std::get<Convolution>(network.op(layer)).groups > 1;
    }
  }
  int64_t rows() const { return rows_; }
  /// Calls f(element, row, input channel of the layer).
  template <typename F>
  void each(int64_t input_channels, F&& f) const {
    const int64_t rows_per_channel = depthwise_ ? rows_ / input_channels : 1;
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < channels_; ++c) {
        const int64_t channel = depthwise_ ? r / rows_per_channel : c;
        for (int64_t t = 0; t < inner_; ++t) {
          f(transposed_ ? c * rows_ + r : (r * channels_ + c) * inner_ + t, r, channel);
        }
      }
    }
  }
  const Tensor& weights() const { return weights_; }

 private:
  const Tensor& weights_;
  int64_t rows_ = 0, channels_ = 0, inner_ = 0;
  bool depthwise_ = false, transposed_ = false;
};

/// Noise power that int8 adds to the consumer's output, up to a common factor, when the factors
/// are s: the input's step is max(|x| / s) / 127, a row's step max|w · s| / 127.
double predicted_noise(const Columns& columns, const Pair& pair, const std::vector<double>& s) {
  const auto channels = static_cast<int64_t>(s.size());
  double input_step = 0.0;
  for (size_t c = 0; c < s.size(); ++c) input_step = std::max(input_step, pair.max[c] / s[c]);
  std::vector<double> row_step(static_cast<size_t>(columns.rows()), 0.0);
  std::vector<double> row_power(row_step.size(), 0.0);
  double weight_power = 0.0;
  columns.each(channels, [&](int64_t i, int64_t r, int64_t c) {
    const double w = columns.weights().as<float>()[i] * s[size_t(c)];
    row_step[size_t(r)] = std::max(row_step[size_t(r)], std::fabs(w));
    row_power[size_t(r)] += pair.mean2[size_t(c)] / (s[size_t(c)] * s[size_t(c)]);
    weight_power += w * w;
  });
  double noise = input_step * input_step * weight_power;
  for (size_t r = 0; r < row_step.size(); ++r) noise += row_step[r] * row_step[r] * row_power[r];
  return noise;
}

/// s = max|x|^α / max|w|^(1−α), without the common factor, kept within 2^±8.
std::vector<double> factors(const Columns& columns, const Pair& pair, double alpha) {
  std::vector<double> column(pair.max.size(), 0.0), s(pair.max.size(), 1.0);
  columns.each(int64_t(column.size()), [&](int64_t i, int64_t, int64_t c) {
    const double w = std::fabs(double(columns.weights().as<float>()[i]));
    column[size_t(c)] = std::max(column[size_t(c)], w);
  });
  double log_sum = 0.0;
  int live = 0;
  const auto usable = [&](size_t c) { return pair.max[c] > 0.0 && column[c] > 0.0; };
  for (size_t c = 0; c < s.size(); ++c) {
    if (!usable(c)) continue;
    s[c] = std::pow(pair.max[c], alpha) / std::pow(column[c], 1.0 - alpha);
    log_sum += std::log2(s[c]);
    ++live;
  }
  for (size_t c = 0; c < s.size(); ++c) {
    if (usable(c)) s[c] = std::clamp(s[c] * std::exp2(-log_sum / live), 0x1p-8, 0x1p8);
  }
  return s;
}

void rescale(Network& network, const Pair& pair, const std::vector<double>& s) {
  const auto replace = [&](LayerId layer, int input, Tensor value, const char* suffix) {
    const std::string name = free_name(network, network.name(layer) + suffix);
    network.set_input(layer, input, network.constant(std::move(value), name));
  };
  const Columns columns(network, pair.consumer);
  Tensor after = columns.weights();
  columns.each(int64_t(s.size()), [&](int64_t i, int64_t, int64_t c) {
    after.as<float>()[i] = static_cast<float>(after.as<float>()[i] * s[size_t(c)]);
  });
  Tensor before = *float_weights(network, pair.producer);
  for_each_weight(
      before.shape(), output_channel_axis(network, pair.producer), [&](int64_t i, int64_t c) {
        before.as<float>()[i] = static_cast<float>(before.as<float>()[i] / s[size_t(c)]);
      });
  const BiasSource bias = bias_source(network, pair.producer);
  if (bias.value != nullptr) {
    Tensor scaled = *bias.value;
    for (size_t c = 0; c < s.size(); ++c) {
      scaled.as<float>()[c] = static_cast<float>(scaled.as<float>()[c] / s[c]);
    }
    replace(pair.producer, 2, std::move(scaled), ".bias.equalized");
  }
  replace(pair.producer, 1, std::move(before), ".weights.equalized");
  replace(pair.consumer, 1, std::move(after), ".weights.equalized");
}

}  // namespace

void equalize(RecipeInputs& inputs) {
  std::vector<Pair> pairs = find_pairs(inputs.network);
  if (pairs.empty()) return;
  measure(inputs.network, pairs, inputs);
  for (const Pair& pair : pairs) {
    const Columns columns(inputs.network, pair.consumer);
    std::vector<double> best(pair.max.size(), 1.0);
    double least = predicted_noise(columns, pair, best);
    for (const double alpha : {0.25, 0.5, 0.75, 1.0}) {
      std::vector<double> s = factors(columns, pair, alpha);
      const double noise = predicted_noise(columns, pair, s);
      if (noise < least) {
        least = noise;
        best = std::move(s);
      }
    }
    rescale(inputs.network, pair, best);
  }
}

}  // namespace octile
