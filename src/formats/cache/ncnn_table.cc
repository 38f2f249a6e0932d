// ncnn's calibration table, as its tool ncnn2table writes it and ncnn2int8 reads it: one line of
// weight scales a layer ("<layer>_param_0 s s s …", one an output channel, or one a group of a
// depthwise convolution), then one line a layer with the scale of its input ("<layer> s").
// A scale is what values are multiplied by: 127 / max|x|.
#include <algorithm>

#include "base/error.h"
#include "octile/calibration.h"

namespace octile {
namespace {

/// The largest |q| of weights that ncnn's INT8 Winograd kernels take (F(4, 3): six bits).
constexpr float kWinogradLargest = 31.0f, kLargest = 127.0f;

const Dequantize* dequantize_of(const Network& network, TensorId tensor) {
  const LayerId producer = network.producer(tensor);
  return producer.valid() ? std::get_if<Dequantize>(&network.op(producer)) : nullptr;
}

/// 3×3 kernels of stride and dilation 1: those that ncnn may run by Winograd's algorithm.
bool is_winograd(const Window& window) {
  const auto all = [](const std::vector<int64_t>& list, int64_t value) {
    return std::all_of(list.begin(), list.end(), [&](int64_t v) { return v == value; });
  };
  return window.kernel.size() == 2 && all(window.kernel, 3) && all(window.stride, 1) &&
         all(window.dilation, 1);
}

std::vector<float> weight_factors(const Op& op, const Dequantize& weights) {
  const auto* convolution = std::get_if<Convolution>(&op);
  const int64_t groups = convolution != nullptr ? convolution->groups : 1;
  const bool winograd = convolution != nullptr && groups == 1 && is_winograd(convolution->window);
  std::vector<float> factors;
  for (const float scale : weights.scale) {
    factors.push_back((winograd ? kWinogradLargest : kLargest) / (kLargest * scale));
  }
  if (groups <= 1 || factors.size() % static_cast<size_t>(groups) != 0) return factors;
  const size_t each = factors.size() / static_cast<size_t>(groups);
  std::vector<float> least;  // one a group: that of the channel with the largest weight
  for (size_t first = 0; first < factors.size(); first += each) {
    const auto begin = factors.begin() + static_cast<std::ptrdiff_t>(first);
    least.push_back(*std::min_element(begin, begin + static_cast<std::ptrdiff_t>(each)));
  }
  return least;
}

}  // namespace

std::string to_ncnn_table(const Network& quantized) {
  std::string weights, inputs;
  for (const LayerId layer : quantized.layers()) {
    const Op& op = quantized.op(layer);
    const bool known =
        std::holds_alternative<Convolution>(op) || std::holds_alternative<MatrixMultiply>(op);
    if (!known) continue;
    const Dequantize* x = dequantize_of(quantized, quantized.inputs(layer)[0]);
    const Dequantize* w = dequantize_of(quantized, quantized.inputs(layer)[1]);
    if (x == nullptr || w == nullptr || x->scale.size() != 1) continue;
    const std::string& name = quantized.name(layer);
    check(x->zero_point == 0, ErrorCode::kInvalidArgument,
          "layer '{}': ncnn knows symmetric scales alone; quantize by static-symmetric", name);
    check(name.find_first_of(" \n") == std::string::npos, ErrorCode::kUnsupported,
          "layer '{}': ncnn's table cannot hold a name with a space; rename the layer", name);
    weights += name + "_param_0";
    for (const float factor : weight_factors(op, *w)) weights += fmt::format(" {}", factor);
    weights += "\n";
    inputs += fmt::format("{} {}\n", name, 1.0f / x->scale[0]);
  }
  return weights + inputs;
}

}  // namespace octile
