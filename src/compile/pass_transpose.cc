// sink-transposes: a transpose moves down through layers that do not care for the order of axes,
// where it meets another one or where several become one; and a product of two run-time operands
// transposes them as it reads.
#include <algorithm>

#include "compile/free_name.h"
#include "compile/passes.h"
#include "compile/rewrite.h"
#include "compile/weighted.h"
#include "ops/ops.h"

namespace octile {
namespace {

using Order = std::vector<int64_t>;
constexpr int kMaxTransposeDepth = 32;

/// The order of axes that a Shuffle without reshape gives; empty for any other layer.
Order order_of(const Network& network, LayerId layer) {
  const auto* op = layer.valid() ? std::get_if<Shuffle>(&network.op(layer)) : nullptr;
  if (op == nullptr || op->has_reshape || (op->first.empty() && op->second.empty())) return {};
  if (op->first.empty() || op->second.empty()) return op->first.empty() ? op->second : op->first;
  Order order;
  for (const int64_t axis : op->second) order.push_back(op->first[static_cast<size_t>(axis)]);
  return order;
}

Order inverse(const Order& order) {
  Order result(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    result[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  }
  return result;
}

/// `axis` of a transposed tensor, counted before the transpose.
int64_t source_axis(int64_t axis, const Order& order) {
  return order[static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(order.size()) : axis)];
}

/// What the layer is before a transpose of its inputs; nullopt where the order matters to it.
std::optional<Op> reordered(const Network& network, LayerId layer, const Order& order) {
  Op op = network.op(layer);
  if (auto* softmax = std::get_if<Softmax>(&op)) {
    for (int64_t& axis : softmax->axes) axis = source_axis(axis, order);
    return op;
  }
  if (auto* concatenation = std::get_if<Concatenation>(&op)) {
    concatenation->axis = source_axis(concatenation->axis, order);
    return op;
  }
  if (const auto* quantize = std::get_if<Quantize>(&op)) {
    return quantize->axis < 0 && !quantize->dynamic ? std::optional(op) : std::nullopt;
  }
  if (const auto* dequantize = std::get_if<Dequantize>(&op)) {
    return dequantize->axis < 0 && !dequantize->dynamic ? std::optional(op) : std::nullopt;
  }
  const bool by_element = std::holds_alternative<Activation>(op) ||
                          std::holds_alternative<Unary>(op) || std::holds_alternative<Cast>(op) ||
                          std::holds_alternative<Elementwise>(op);
  return by_element ? std::optional(op) : std::nullopt;
}

/// A constant operand fits when it has no more axes than the transposed one.
bool is_constant_operand(const Network& network, LayerId layer, TensorId t, const Order& order) {
  return std::holds_alternative<Elementwise>(network.op(layer)) &&
         network.constant_value(t) != nullptr &&
         network.shape(t).rank() <= static_cast<int>(order.size());
}

/// True when every input is a constant operand or `known`, or comes from a transpose like `order`.
bool takes_order(const Network& network, LayerId layer, const Order& order, TensorId known) {
  if (!reordered(network, layer, order)) return false;
  const auto& inputs = network.inputs(layer);
  return std::all_of(inputs.begin(), inputs.end(), [&](TensorId t) {
    return t == known || is_constant_operand(network, layer, t, order) ||
           order_of(network, network.producer(t)) == order;
  });
}

/// True when a transpose behind `t` goes on to meet another one, whichever way it takes.
bool meets(const Network& network, TensorId t, const Order& order, int depth = 0) {
  const auto consumers = network.consumers(t);
  if (network.is_output(t) || consumers.empty() || depth > kMaxTransposeDepth) return false;
  return std::all_of(consumers.begin(), consumers.end(), [&](LayerId next) {
    if (!order_of(network, next).empty()) return true;
    return takes_order(network, next, order, t) &&
           meets(network, network.output(next), order, depth + 1);
  });
}

/// Transposes that only this layer reads.
int own_transposes(const Network& network, LayerId layer) {
  std::vector<int32_t> own;
  for (const TensorId t : network.inputs(layer)) {
    const LayerId from = network.producer(t);
    if (order_of(network, from).empty() || droppable_producer(network, t) != from) continue;
    if (std::find(own.begin(), own.end(), t.index) == own.end()) own.push_back(t.index);
  }
  return static_cast<int>(own.size());
}

/// A constant with its axes (leading ones added) in the order before the transpose.
TensorId constant_before(Network& network, TensorId t, const Order& order) {
  const Tensor& value = *network.constant_value(t);
  if (value.volume() == 1) return t;
  Shape shape;
  for (size_t i = static_cast<size_t>(value.shape().rank()); i < order.size(); ++i) {
    shape.push_back(1);
  }
  for (const int64_t extent : value.shape()) shape.push_back(extent);
  Shuffle back;
  back.first = inverse(order);
  Tensor moved = std::move(evaluate(Op(back), std::vector{value.reshaped(shape).view()})[0]);
  return network.constant(std::move(moved),
                          free_name(network, network.name(t) + std::string(kUntransposed)));
}

void sink(Network& network, LayerId layer, const Order& order) {
  std::vector<TensorId> inputs;
  for (const TensorId t : network.inputs(layer)) {
    const bool transposed = !order_of(network, network.producer(t)).empty();
    inputs.push_back(transposed ? network.inputs(network.producer(t))[0]
                                : constant_before(network, t, order));
  }
  const std::string name = network.name(layer), tensor = network.name(network.output(layer));
  const LayerId moved = network.add(*reordered(network, layer, order), inputs,
                                    free_name(network, name + std::string(kUntransposed)));
  const TensorId x = network.output(moved);
  network.set_precision(moved, network.precision(layer));
  if (const auto scheme = network.scheme(layer)) network.set_scheme(moved, *scheme);
  if (const auto range = network.dynamic_range(network.output(layer))) {
    network.set_dynamic_range(x, *range);
  }
  network.rename(x, free_name(network, tensor + std::string(kUntransposed)));
  Shuffle transpose;
  transpose.first = order;
  const LayerId last = put_in_place(network, layer, transpose, {x});
  network.set_precision(last, Precision::kAuto);
  network.rename(last, free_name(network, name + ".transpose"));
  network.rename(moved, name);
}

bool try_sink(Network& network, LayerId layer) {
  for (const TensorId t : network.inputs(layer)) {
    const Order order = order_of(network, network.producer(t));
    if (order.empty()) continue;
    const int own = own_transposes(network, layer);
    const TensorId y = network.output(layer);
    if (!takes_order(network, layer, order, {})) return false;
    if (own < 2 && (own < 1 || !meets(network, y, order))) return false;
    sink(network, layer, order);
    return true;
  }
  return false;
}

/// Operands behind a transpose that swaps what were their last two axes: the product swaps them as
/// it reads, and what is left of the transpose moves whole rows, or nothing.
bool swap_in_product(Network& network, LayerId layer) {
  const auto* product = std::get_if<MatrixMultiply>(&network.op(layer));
  if (product == nullptr || weight_source(network, layer)) return false;
  MatrixMultiply op = *product;
  std::vector<TensorId> inputs = network.inputs(layer);
  bool swapped = false;
  for (const size_t i : {0, 1}) {
    const LayerId from = droppable_producer(network, inputs[i]);
    Order order = order_of(network, from);
    const size_t rank = order.size();
    if (rank < 2 || order[rank - 2] != static_cast<int64_t>(rank) - 1) continue;
    std::swap(order[rank - 2], order[rank - 1]);
    const std::string name = network.name(inputs[i]);
    inputs[i] = network.inputs(from)[0];
    if (!std::is_sorted(order.begin(), order.end())) {
      Shuffle rows;
      rows.first = order;
      const LayerId moved = network.add(std::move(rows), {inputs[i]},
                                        free_name(network, network.name(from) + ".rows"));
      inputs[i] = network.output(moved);
      network.rename(inputs[i], free_name(network, name + std::string(kUntransposed)));
    }
    bool& transpose = i == 0 ? op.transpose_a : op.transpose_b;
    transpose = !transpose;
    swapped = true;
  }
  if (swapped) put_in_place(network, layer, op, inputs);
  return swapped;
}

}  // namespace

int sink_transposes(Network& network) {
  int changed = 0;
  for (const LayerId layer : network.layers()) {  // in running order: a transpose sinks all the way
    if (network.outputs(layer).size() != 1) continue;
    if (try_sink(network, layer) || swap_in_product(network, layer)) ++changed;
  }
  if (changed > 0) remove_dead_layers(network);
  return changed;
}

}  // namespace octile
