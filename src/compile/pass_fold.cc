// Passes that compute, cancel or drop layers.
#include <algorithm>

#include "compile/passes.h"
#include "graph/interpreter.h"
#include "ops/ops.h"

namespace octile {
namespace {

template <typename T>
bool is(const Op& op) {
  return std::holds_alternative<T>(op);
}

/// Folding must not turn DequantizeLinear(QuantizeLinear(w)) into float weights: lower reads it.
bool carries_quantization(const Op& op) { return is<Quantize>(op) || is<Dequantize>(op); }

/// Constants larger than this stay computed at run time only if they would blow up the plan.
constexpr int64_t kMaxFoldedElements = int64_t{1} << 28;

bool all_constant(const Network& network, LayerId layer) {
  const auto& inputs = network.inputs(layer);
  return !inputs.empty() && std::all_of(inputs.begin(), inputs.end(), [&](TensorId t) {
    return network.constant_value(t) != nullptr;
  });
}

/// True when x → layer → y changes neither shape, type nor values.
bool is_identity(const Network& network, LayerId layer) {
  const Op& op = network.op(layer);
  const TensorId x = network.inputs(layer).empty() ? TensorId{} : network.inputs(layer)[0];
  if (is<Identity>(op)) return true;
  if (const auto* cast = std::get_if<Cast>(&op)) return cast->type == network.type(x);
  if (const auto* shuffle = std::get_if<Shuffle>(&op)) {
    return shuffle->first.empty() && shuffle->second.empty() &&
           network.shape(x) == network.shape(network.output(layer)) && network.shape(x).is_static();
  }
  return false;
}

}  // namespace

int fold_constants(Network& network) {
  int changed = 0;
  for (LayerId layer : network.layers()) {
    const Op op = network.op(layer);
    if (is<Constant>(op) || carries_quantization(op) || !all_constant(network, layer)) continue;
    const auto outputs = network.outputs(layer);
    const bool large = std::any_of(outputs.begin(), outputs.end(), [&](TensorId t) {
      return !network.shape(t).is_static() || network.shape(t).volume() > kMaxFoldedElements;
    });
    if (large) continue;
    std::vector<TensorView> views;
    for (TensorId t : network.inputs(layer)) views.push_back(network.constant_value(t)->view());
    std::vector<Tensor> values = evaluate(op, views);
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (network.is_output(outputs[i])) continue;  // keeps its name and layer
      const TensorId folded =
          network.constant(std::move(values[i]), network.name(outputs[i]) + ".folded");
      network.replace_uses(outputs[i], folded);
      ++changed;
    }
  }
  return changed > 0 ? changed + remove_dead_layers(network) : 0;
}

int remove_identities(Network& network) {
  int changed = 0;
  for (LayerId layer : network.layers()) {
    if (!is_identity(network, layer)) continue;
    const TensorId x = network.inputs(layer)[0], y = network.output(layer);
    if (network.is_output(y)) continue;  // the output's name must stay
    network.replace_uses(y, x);
    network.remove(layer);
    ++changed;
  }
  return changed;
}

int remove_dead_layers(Network& network) {
  int changed = 0;
  auto layers = network.layers();
  std::reverse(layers.begin(), layers.end());
  for (LayerId layer : layers) {
    const auto& outputs = network.outputs(layer);
    const bool used = std::any_of(outputs.begin(), outputs.end(), [&](TensorId t) {
      return network.is_output(t) || !network.consumers(t).empty();
    });
    if (used) continue;
    network.remove(layer);
    ++changed;
  }
  return changed;
}

int canonicalize_reduce(Network& network) {
  int changed = 0;
  for (LayerId layer : network.layers()) {
    const auto* reduce = std::get_if<Reduce>(&network.op(layer));
    if (reduce == nullptr || reduce->kind != ReduceKind::kMean) continue;
    const TensorId x = network.inputs(layer)[0];
    if (network.shape(x).rank() != 4 || network.type(x) != DataType::kFloat32) continue;
    std::vector<int64_t> axes = reduce->axes;
    for (int64_t& axis : axes) axis = axis < 0 ? axis + 4 : axis;
    std::sort(axes.begin(), axes.end());
    if (axes != std::vector<int64_t>{2, 3}) continue;
    const Pooling pool{.kind = PoolingKind::kAverage, .window = {}, .global = true};
    if (reduce->keep_dims) {
      network.set_op(layer, pool);
    } else {
      const TensorId pooled = network.pooling(x, pool, network.name(layer) + ".pool");
      Shuffle flatten;
      flatten.has_reshape = true;
      flatten.dims = {0, 0};
      network.set_input(layer, 0, pooled);  // a mean of 1×1 images still infers
      network.set_op(layer, flatten);
    }
    ++changed;
  }
  return changed;
}

}  // namespace octile
