// See weighted.h.
#include "compile/weighted.h"

#include "ops/ops.h"

namespace octile {
namespace {

/// Follows constant → [Quantize] → [Dequantize] backwards from `tensor`.
std::optional<WeightSource> trace(const Network& network, TensorId tensor) {
  WeightSource source;
  source.value = network.constant_value(tensor);
  if (source.value != nullptr) return source;
  const LayerId dequantize = network.producer(tensor);
  if (!dequantize.valid()) return std::nullopt;
  source.dequantize = std::get_if<Dequantize>(&network.op(dequantize));
  if (source.dequantize == nullptr || source.dequantize->dynamic) return std::nullopt;
  const TensorId q = network.inputs(dequantize)[0];
  source.value = network.constant_value(q);
  if (source.value != nullptr) return source;
  const LayerId quantize = network.producer(q);
  if (!quantize.valid()) return std::nullopt;
  source.quantize = std::get_if<Quantize>(&network.op(quantize));
  if (source.quantize == nullptr || source.quantize->dynamic) return std::nullopt;
  source.value = network.constant_value(network.inputs(quantize)[0]);
  if (source.value == nullptr) return std::nullopt;
  return source;
}

}  // namespace

std::optional<WeightSource> weight_source(const Network& network, LayerId layer) {
  const Op& op = network.op(layer);
  const auto& inputs = network.inputs(layer);
  if (std::holds_alternative<Convolution>(op) || std::holds_alternative<Deconvolution>(op)) {
    return trace(network, inputs[1]);
  }
  const auto* product = std::get_if<MatrixMultiply>(&op);
  if (product == nullptr || product->transpose_a) return std::nullopt;
  if (network.shape(inputs[0]).rank() < 2 || network.shape(inputs[1]).rank() != 2) {
    return std::nullopt;
  }
  if (network.constant_value(inputs[0]) != nullptr) return std::nullopt;
  return trace(network, inputs[1]);
}

int output_channel_axis(const Network& network, LayerId layer) {
  const Op& op = network.op(layer);
  if (std::holds_alternative<Convolution>(op)) return 0;
  if (std::holds_alternative<Deconvolution>(op)) return 1;
  return std::get<MatrixMultiply>(op).transpose_b ? 0 : 1;
}

int64_t output_channels(const Network& network, LayerId layer) {
  const Shape& out = network.shape(network.output(layer));
  const bool product = std::holds_alternative<MatrixMultiply>(network.op(layer));
  return product ? out[out.rank() - 1] : out[1];
}

BiasSource bias_source(const Network& network, LayerId layer) {
  const auto& inputs = network.inputs(layer);
  if (inputs.size() < 3) return {};
  return {network.constant_value(inputs[2]), true};
}

std::optional<Tensor> constant_float(const Network& network, TensorId tensor) {
  const std::optional<WeightSource> source = trace(network, tensor);
  if (!source) return std::nullopt;
  if (source->dequantize == nullptr) return *source->value;
  Tensor q = *source->value;
  if (source->quantize != nullptr) {
    q = std::move(evaluate(*source->quantize, std::vector{q.view()})[0]);
  }
  return std::move(evaluate(*source->dequantize, std::vector{q.view()})[0]);
}

}  // namespace octile
