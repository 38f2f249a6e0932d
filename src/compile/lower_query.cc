// What lowering asks about the network around a tensor.
#include <algorithm>
#include <cmath>

#include "compile/lowerer.h"

namespace octile {
namespace {

constexpr int kMaxDepth = 32;

bool is_bytes(DataType type) { return type == DataType::kInt8 || type == DataType::kUInt8; }

}  // namespace

std::optional<Quantized> Lowerer::dequantized_from(TensorId t) const {
  const LayerId producer = network_.producer(t);
  if (!producer.valid()) return std::nullopt;
  const auto* op = std::get_if<Dequantize>(&network_.op(producer));
  if (op == nullptr || op->dynamic || op->axis >= 0 || op->scale.size() != 1) return std::nullopt;
  const TensorId q = network_.inputs(producer)[0];
  if (!is_bytes(network_.type(q)) || network_.constant_value(q) != nullptr) return std::nullopt;
  const bool affine = network_.type(q) == DataType::kUInt8;
  Quantized from{
      q, network_.type(q), op->scale[0], op->zero_point, affine ? 0 : -128, affine ? 255 : 127};
  const LayerId quantize = network_.producer(q);
  // An integer tensor of the model's own has a grid when all its readers agree on one.
  if (!quantize.valid()) return input_has_grid(q) ? std::optional(from) : std::nullopt;
  const auto* source = std::get_if<Quantize>(&network_.op(quantize));
  if (source == nullptr || source->axis >= 0 || source->scale != op->scale ||
      source->zero_point != op->zero_point ||
      network_.constant_value(network_.inputs(quantize)[0]) != nullptr) {
    return std::nullopt;
  }
  from.lo = source->lo;
  from.hi = source->hi;
  return from;
}

/// True when an input of the network is read by static per-tensor Dequantize layers with the same
/// parameters only: then the plan's tensor carries them.
bool Lowerer::input_has_grid(TensorId q) const {
  const auto consumers = network_.consumers(q);
  const Dequantize* first = nullptr;
  for (const LayerId consumer : consumers) {
    const auto* op = std::get_if<Dequantize>(&network_.op(consumer));
    if (op == nullptr || op->dynamic || op->axis >= 0 || op->scale.size() != 1) return false;
    if (first != nullptr && !(*first == *op)) return false;
    first = op;
  }
  return first != nullptr;
}

/// The static per-tensor Quantize that alone reads `t`: its step's producer may absorb it.
std::optional<Quantized> Lowerer::quantized_into(TensorId t) const {
  const auto consumers = network_.consumers(t);
  if (consumers.size() != 1 || network_.is_output(t)) return std::nullopt;
  const auto* op = std::get_if<Quantize>(&network_.op(consumers[0]));
  if (op == nullptr || op->dynamic || op->axis >= 0 || op->scale.size() != 1 ||
      !is_bytes(op->type)) {
    return std::nullopt;
  }
  return Quantized{
      network_.output(consumers[0]), op->type, op->scale[0], op->zero_point, op->lo, op->hi};
}

LayerId Lowerer::dynamic_dequantize(TensorId t) const {
  const LayerId producer = network_.producer(t);
  if (!producer.valid()) return {};
  const auto* op = std::get_if<Dequantize>(&network_.op(producer));
  return op != nullptr && op->dynamic ? producer : LayerId{};
}

/// True when a convolution, pooling or deconvolution reads the tensor, perhaps through layers
/// that work in any layout.
bool Lowerer::wants_channels_last(TensorId t, int depth) const {
  const int rank = network_.shape(t).rank();
  if ((rank != 3 && rank != 4) || depth > kMaxDepth) return false;
  for (LayerId consumer : network_.consumers(t)) {
    const Op& op = network_.op(consumer);
    if (std::holds_alternative<Convolution>(op) || std::holds_alternative<Pooling>(op)) return true;
    if (std::holds_alternative<Deconvolution>(op) && rank == 4) return true;
    const bool through =
        std::holds_alternative<Quantize>(op) || std::holds_alternative<Dequantize>(op) ||
        std::holds_alternative<Activation>(op) || std::holds_alternative<Elementwise>(op) ||
        std::holds_alternative<Concatenation>(op);
    if (through && wants_channels_last(network_.output(consumer), depth + 1)) return true;
  }
  return false;
}

Layout Lowerer::output_layout(TensorId t) const {
  return wants_channels_last(t) ? Layout::kChannelsLast : Layout::kPlain;
}

/// True when only products with constant weights read the (N, K) tensor, perhaps through
/// quantization: then its K axis may be stored in another order, with the weights' rows permuted.
bool Lowerer::read_by_rows_only(TensorId t) const {
  const auto consumers = network_.consumers(t);
  if (network_.is_output(t) || consumers.empty()) return false;
  return std::all_of(consumers.begin(), consumers.end(), [&](LayerId consumer) {
    const Op& op = network_.op(consumer);
    if (const auto* quantize = std::get_if<Quantize>(&op)) {
      return quantize->axis < 0 && read_by_rows_only(network_.output(consumer));
    }
    if (const auto* dequantize = std::get_if<Dequantize>(&op)) {
      return dequantize->axis < 0 && network_.inputs(consumer)[0] == t &&
             read_by_rows_only(network_.output(consumer));
    }
    return std::holds_alternative<MatrixMultiply>(op) && is_weighted(network_, consumer) &&
           network_.inputs(consumer)[0] == t;
  });
}

/// C when the (N, K) tensor, seen through its quantization, is a channels-last image; else 0.
int64_t Lowerer::flattened_channels(TensorId t) const {
  const auto found = flattened_.find(t.index);
  if (found != flattened_.end()) return found->second;
  const LayerId producer = network_.producer(t);
  if (!producer.valid()) return 0;
  const Op& op = network_.op(producer);
  const bool through =
      std::holds_alternative<Quantize>(op) || std::holds_alternative<Dequantize>(op);
  return through ? flattened_channels(network_.inputs(producer)[0]) : 0;
}

Clamp Lowerer::clamp_of(const Group& group, const std::optional<Quantized>& out) const {
  Clamp clamp;
  if (group.clamp.valid()) {
    const ClampBounds bounds = clamp_bounds(std::get<Activation>(network_.op(group.clamp)));
    clamp.lo = bounds.lo;
    clamp.hi = bounds.hi;
  }
  if (!out) return clamp;
  const auto grid = [&](float bound) {
    return quantize_value(bound, out->scale, out->zero_point, out->lo, out->hi);
  };
  clamp.q_lo = std::isfinite(clamp.lo) ? grid(clamp.lo) : out->lo;
  clamp.q_hi = std::isfinite(clamp.hi) ? grid(clamp.hi) : out->hi;
  return clamp;
}

/// The add's operand that is not the core's product, as the network has it now.
TensorId Lowerer::residual_of(const Group& group) const {
  const auto& inputs = network_.inputs(group.add);
  return inputs[0] == network_.output(group.core) ? inputs[1] : inputs[0];
}

}  // namespace octile
