// See grid.h.
#include "compile/grid.h"

namespace octile {
namespace {

bool is_bytes(DataType type) { return type == DataType::kInt8 || type == DataType::kUInt8; }

const Dequantize* static_dequantize(const Network& network, LayerId layer) {
  if (!layer.valid()) return nullptr;
  const auto* op = std::get_if<Dequantize>(&network.op(layer));
  const bool fits = op != nullptr && !op->dynamic && op->axis < 0 && op->scale.size() == 1;
  return fits ? op : nullptr;
}

}  // namespace

Quantize Quantized::quantize() const {
  return {.type = type,
          .scale = {scale},
          .zero_point = zero_point,
          .axis = -1,
          .lo = lo,
          .hi = hi,
          .dynamic = false};
}

Dequantize Quantized::dequantize() const {
  return {.scale = {scale}, .zero_point = zero_point, .axis = -1, .dynamic = false};
}

std::optional<Quantized> grid_made_by(const Network& network, LayerId layer) {
  if (!layer.valid()) return std::nullopt;
  const auto* op = std::get_if<Quantize>(&network.op(layer));
  if (op == nullptr || op->dynamic || op->axis >= 0 || op->scale.size() != 1 ||
      !is_bytes(op->type)) {
    return std::nullopt;
  }
  return Quantized{network.output(layer), op->type, op->scale[0], op->zero_point, op->lo, op->hi};
}

std::optional<Quantized> dequantized_from(const Network& network, TensorId t) {
  const LayerId producer = network.producer(t);
  const Dequantize* op = static_dequantize(network, producer);
  if (op == nullptr) return std::nullopt;
  const TensorId q = network.inputs(producer)[0];
  if (!is_bytes(network.type(q)) || network.constant_value(q) != nullptr) return std::nullopt;
  const bool affine = network.type(q) == DataType::kUInt8;
  const Quantized from{
      q, network.type(q), op->scale[0], op->zero_point, affine ? 0 : -128, affine ? 255 : 127};
  const LayerId quantize = network.producer(q);
  if (!quantize.valid()) return input_has_grid(network, q) ? std::optional(from) : std::nullopt;
  const auto source = grid_made_by(network, quantize);
  if (!source || !source->same_grid(from) ||
      network.constant_value(network.inputs(quantize)[0]) != nullptr) {
    return std::nullopt;
  }
  return source;
}

bool input_has_grid(const Network& network, TensorId q) {
  const Dequantize* first = nullptr;
  for (const LayerId consumer : network.consumers(q)) {
    const Dequantize* op = static_dequantize(network, consumer);
    if (op == nullptr || (first != nullptr && !(*first == *op))) return false;
    first = op;
  }
  return first != nullptr;
}

std::optional<Quantized> quantized_into(const Network& network, TensorId t) {
  const auto consumers = network.consumers(t);
  if (consumers.size() != 1 || network.is_output(t)) return std::nullopt;
  return grid_made_by(network, consumers[0]);
}

}  // namespace octile
