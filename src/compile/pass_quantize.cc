// Passes over Quantize and Dequantize layers: they bring models that are quantized already into the
// form that lowering reads, Quantize and Dequantize on both sides of every layer that moves values.
// All are exact: a rounding that is monotone commutes with picking and moving values.
#include <algorithm>
#include <cfloat>
#include <cmath>

#include "arithmetic/quantize.h"
#include "compile/free_name.h"
#include "compile/grid.h"
#include "compile/group.h"
#include "compile/passes.h"

namespace octile {
namespace {

bool is_float_request(const Network& network, LayerId layer) {
  const Precision wanted = network.precision(layer);
  return wanted == Precision::kFloat32 || wanted == Precision::kFloat16;
}

bool moves_values(const Network& network, LayerId layer) {
  return int8_kind(network, Group{.core = layer, .add = {}, .clamp = {}, .residual = {}}) ==
         Int8Kind::kMovement;
}

/// Inputs that are data, not indices: they come first.
size_t data_inputs(const Network& network, LayerId layer) {
  return std::holds_alternative<Concatenation>(network.op(layer)) ? network.inputs(layer).size()
                                                                  : 1;
}

struct Pair {
  TensorId q, copy;
};

/// t → Quantize → Dequantize.
Pair add_pair(Network& network, TensorId t, const Quantized& grid) {
  const std::string base = network.name(t);
  const TensorId q = network.quantize(t, grid.quantize(), free_name(network, base + ".quantize"));
  return {q, network.dequantize(q, grid.dequantize(), free_name(network, base + ".dequantize"))};
}

/// The one grid that all data inputs of the layer lie on.
std::optional<Quantized> input_grid(const Network& network, LayerId layer) {
  std::optional<Quantized> grid;
  for (size_t i = 0; i < data_inputs(network, layer); ++i) {
    const auto from = dequantized_from(network, network.inputs(layer)[i]);
    if (!from || (grid && !(grid->quantize() == from->quantize()))) return std::nullopt;
    grid = from;
  }
  return grid;
}

/// Dequantize moves down: what a layer makes of values on a grid lies on that grid.
bool move_down(Network& network, LayerId layer) {
  const auto* op = std::get_if<Activation>(&network.op(layer));
  const bool relu = op != nullptr && op->kind == ActivationKind::kRelu;
  if (is_float_request(network, layer) || (!relu && !moves_values(network, layer))) return false;
  const TensorId y = network.output(layer);
  const auto grid = input_grid(network, layer);
  if (!grid || network.is_output(y) || network.consumers(y).empty()) return false;
  if (const auto next = quantized_into(network, y); next && grid->same_grid(*next)) return false;
  const std::vector<LayerId> readers = network.consumers(y);
  const Pair pair = add_pair(network, y, *grid);
  for (const LayerId reader : readers) {
    const auto inputs = network.inputs(reader);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] == y) network.set_input(reader, static_cast<int>(i), pair.copy);
    }
  }
  return true;
}

/// Quantize moves up: before the layer its values are rounded as they would be behind it.
bool move_up(Network& network, LayerId layer) {
  if (is_float_request(network, layer) || !moves_values(network, layer)) return false;
  const auto grid = quantized_into(network, network.output(layer));
  if (!grid) return false;
  bool changed = false;
  for (size_t i = 0; i < data_inputs(network, layer); ++i) {
    const TensorId x = network.inputs(layer)[i];
    if (dequantized_from(network, x)) continue;
    network.set_input(layer, static_cast<int>(i), add_pair(network, x, *grid).copy);
    changed = true;
  }
  return changed;
}

/// The grid of integers that a layer moves: the one they were quantized to, or the one that all
/// readers of the result take them to lie on.
std::optional<Quantized> integer_grid(const Network& network, LayerId layer) {
  const TensorId y = network.output(layer);
  std::optional<Quantized> grid;
  bool known = true;
  for (size_t i = 0; i < data_inputs(network, layer); ++i) {
    const TensorId x = network.inputs(layer)[i];
    const auto from = grid_made_by(network, network.producer(x));
    if (network.constant_value(x) != nullptr) return std::nullopt;
    known = known && from && (!grid || grid->quantize() == from->quantize());
    if (known) grid = from;
  }
  if (known) return grid;
  if (network.is_output(y) || !input_has_grid(network, y)) return std::nullopt;
  const auto& op = std::get<Dequantize>(network.op(network.consumers(y)[0]));
  const bool affine = network.type(y) == DataType::kUInt8;
  const Quantized read{
      y, network.type(y), op.scale[0], op.zero_point, affine ? 0 : -128, affine ? 255 : 127};
  return read;
}

/// True for layers that move bytes and that lowering can move as int8 between Q and DQ.
bool moves_bytes(const Network& network, LayerId layer, const Quantized& grid) {
  const Op& op = network.op(layer);
  if (const auto* padding = std::get_if<Padding>(&op)) {
    return padding->kind != PaddingKind::kConstant ||
           padding->value == static_cast<float>(grid.zero_point);
  }
  if (const auto* pool = std::get_if<Pooling>(&op)) {
    const int rank = network.shape(network.inputs(layer)[0]).rank();
    return pool->kind == PoolingKind::kMax && (rank == 3 || rank == 4);
  }
  if (const auto* resize = std::get_if<Resize>(&op)) return resize->kind == ResizeKind::kNearest;
  return std::holds_alternative<Concatenation>(op) || std::holds_alternative<Shuffle>(op) ||
         std::holds_alternative<Slice>(op) || std::holds_alternative<Gather>(op) ||
         std::holds_alternative<Identity>(op);
}

void make_float(Network& network, LayerId layer, const Quantized& grid) {
  const std::string name = network.name(layer), tensor = network.name(network.output(layer));
  std::vector<TensorId> inputs = network.inputs(layer);
  for (size_t i = 0; i < data_inputs(network, layer); ++i) {
    inputs[i] =
        network.dequantize(inputs[i], grid.dequantize(), free_name(network, name + ".dequantize"));
  }
  Op op = network.op(layer);
  if (auto* padding = std::get_if<Padding>(&op)) padding->value = 0.0f;
  const LayerId moved = network.add(std::move(op), inputs, free_name(network, name + ".float"));
  const TensorId q = network.quantize(network.output(moved), grid.quantize(),
                                      free_name(network, name + ".quantize"));
  network.set_precision(moved, network.precision(layer));
  network.replace_uses(network.output(layer), q);
  network.remove(layer);
  network.rename(moved, name);
  if (network.name(q) != tensor) network.rename(q, tensor);
}

/// Quantize(Dequantize(q)) on one grid is q: a value s·k divided by s lies within 1/2 of k.
bool cancels(const Quantized& from, const Quantized& to) {
  return from.fits_into(to) && to.scale >= FLT_MIN && std::isfinite(to.scale * 512.0f);
}

/// The tensor that holds what the layer computes already, or an invalid id.
TensorId same_as(const Network& network, LayerId layer) {
  const TensorId x = network.inputs(layer)[0];
  if (const auto to = grid_made_by(network, layer)) {
    const auto from = dequantized_from(network, x);
    if (from && cancels(*from, *to) && network.producer(from->q).valid()) return from->q;
  }
  for (const LayerId other : network.consumers(x)) {
    if (other == layer) break;
    if (network.op(other) == network.op(layer)) return network.output(other);
  }
  return {};
}

bool is_static(const Op& op) {
  const auto* quantize = std::get_if<Quantize>(&op);
  const auto* dequantize = std::get_if<Dequantize>(&op);
  return quantize != nullptr ? !quantize->dynamic : dequantize != nullptr && !dequantize->dynamic;
}

}  // namespace

int merge_quantization(Network& network) {
  int changed = 0;
  for (const LayerId layer : network.layers()) {
    if (!is_static(network.op(layer)) || network.is_output(network.output(layer))) continue;
    const TensorId same = same_as(network, layer);
    if (!same.valid()) continue;
    network.replace_uses(network.output(layer), same);
    network.remove(layer);
    ++changed;
  }
  return changed;
}

int float_movement(Network& network) {
  int changed = 0;
  for (const LayerId layer : network.layers()) {
    if (network.inputs(layer).empty() || network.outputs(layer).size() != 1) continue;
    const DataType type = network.type(network.output(layer));
    if (type != DataType::kInt8 && type != DataType::kUInt8) continue;
    if (is_static(network.op(layer)) || network.type(network.inputs(layer)[0]) != type) continue;
    const auto grid = integer_grid(network, layer);
    if (!grid || !moves_bytes(network, layer, *grid)) continue;
    make_float(network, layer, *grid);
    ++changed;
  }
  return changed;
}

int absorb_clamps(Network& network) {
  int changed = 0;
  for (const LayerId layer : network.layers()) {
    const auto* op = std::get_if<Activation>(&network.op(layer));
    if (op == nullptr || is_float_request(network, layer)) continue;
    if (op->kind != ActivationKind::kRelu && op->kind != ActivationKind::kClip) continue;
    const auto grid = quantized_into(network, network.output(layer));
    if (!grid) continue;
    const ClampBounds bounds = clamp_bounds(*op);
    const auto on_grid = [&](float bound) {
      return quantize_value(bound, grid->scale, grid->zero_point, grid->lo, grid->hi);
    };
    if (on_grid(bounds.lo) != grid->lo || on_grid(bounds.hi) != grid->hi) continue;
    const TensorId x = network.inputs(layer)[0], y = network.output(layer);
    const std::string name = network.name(y);
    const bool alone =
        network.producer(x).valid() && !network.is_output(x) && network.consumers(x).size() == 1;
    network.replace_uses(y, x);
    network.remove(layer);
    if (alone) network.rename(x, name);  // on the grid it holds the clamped values
    ++changed;
  }
  return changed;
}

int move_quantization(Network& network) {
  int changed = 0;
  std::vector<LayerId> layers = network.layers();
  for (const LayerId layer : layers) changed += move_down(network, layer) ? 1 : 0;
  std::reverse(layers.begin(), layers.end());
  for (const LayerId layer : layers) changed += move_up(network, layer) ? 1 : 0;
  return changed;
}

}  // namespace octile
