// Passes that widen windows: fold-padding takes zeros around an image into the layer that reads it;
// fold-focus makes a convolution over the phases of an image (YOLO's focus: every second pixel,
// joined along the channels) one over the image, with a larger window and stride.
#include <algorithm>

#include "compile/free_name.h"
#include "compile/passes.h"
#include "compile/rewrite.h"
#include "compile/weighted.h"
#include "ops/ops.h"

namespace octile {
namespace {

/// Zeros beside the image only, and nothing cut off.
bool pads_image(const Padding& op) {
  if (op.kind != PaddingKind::kConstant || op.value != 0.0f || op.before.size() < 3) return false;
  for (size_t axis = 0; axis < op.before.size(); ++axis) {
    if (op.before[axis] < 0 || op.after[axis] < 0) return false;
    if (axis < 2 && (op.before[axis] > 0 || op.after[axis] > 0)) return false;
  }
  return true;
}

Window widened(Window window, const Padding& padding) {
  const auto rank = padding.before.size() - 2;
  window.pad_before.resize(rank);
  window.pad_after.resize(rank);
  for (size_t axis = 0; axis < rank; ++axis) {
    window.pad_before[axis] += padding.before[axis + 2];
    window.pad_after[axis] += padding.after[axis + 2];
  }
  return window;
}

/// An average counts the zeros as the padded image did; each window must hold a pixel.
bool takes_padding(const Pooling& pool, const Padding& padding) {
  if (pool.kind != PoolingKind::kAverage || pool.global) return false;
  if (pool.window.mode != PaddingMode::kExplicit) return false;
  const auto is_zero = [](int64_t pad) { return pad == 0; };
  const auto& before = pool.window.pad_before;
  const auto& after = pool.window.pad_after;
  const bool unpadded = std::all_of(before.begin(), before.end(), is_zero) &&
                        std::all_of(after.begin(), after.end(), is_zero);
  if (!unpadded && !pool.count_padding) return false;
  const Window window = widened(pool.window, padding);
  for (size_t axis = 0; axis < window.kernel.size(); ++axis) {
    const int64_t largest = std::max(window.pad_before[axis], window.pad_after[axis]);
    if (largest >= window.kernel[axis]) return false;
  }
  return true;
}

bool fold_padding_into(Network& network, LayerId layer) {
  if (network.inputs(layer).empty()) return false;
  const LayerId from = network.producer(network.inputs(layer)[0]);
  const auto* padding = from.valid() ? std::get_if<Padding>(&network.op(from)) : nullptr;
  if (padding == nullptr || !pads_image(*padding) || is_asked_for(network, from)) return false;
  Op op = network.op(layer);
  if (auto* convolution = std::get_if<Convolution>(&op)) {
    if (convolution->window.mode != PaddingMode::kExplicit) return false;
    convolution->window = widened(convolution->window, *padding);
  } else if (auto* pool = std::get_if<Pooling>(&op); pool && takes_padding(*pool, *padding)) {
    pool->window = widened(pool->window, *padding);
    pool->count_padding = true;
  } else {
    return false;
  }
  std::vector<TensorId> inputs = network.inputs(layer);
  inputs[0] = network.inputs(from)[0];
  put_in_place(network, layer, std::move(op), inputs);
  return true;
}

// --- focus ---

struct Focus {
  TensorId x;
  int64_t block = 0;
  std::vector<std::pair<int64_t, int64_t>> phases;  // (row, column) of each input of the join
};

/// Adds the phase that a slice takes; false where the slice is another one.
bool add_phase(const Network& network, TensorId part, Focus& focus) {
  const LayerId layer = network.producer(part);
  const auto* op = layer.valid() ? std::get_if<Slice>(&network.op(layer)) : nullptr;
  if (op == nullptr || op->axes.size() != 2 || op->stride.empty()) return false;
  if (is_asked_for(network, layer)) return false;
  const TensorId x = network.inputs(layer)[0];
  const Shape& from = network.shape(x);
  const Shape& to = network.shape(part);
  std::pair<int64_t, int64_t> phase{0, 0};
  for (size_t i = 0; i < op->axes.size(); ++i) {
    if (op->axes[i] == 2) phase.first = op->start[i];
    if (op->axes[i] == 3) phase.second = op->start[i];
    if (focus.block == 0) focus.block = op->stride[i];
    if (op->axes[i] < 2 || op->stride[i] != focus.block) return false;
  }
  const int64_t b = focus.block;
  if (focus.x.valid() && !(focus.x == x)) return false;
  focus.x = x;
  const bool inside = phase.first >= 0 && phase.first < b && phase.second >= 0 && phase.second < b;
  if (b < 2 || !inside || from[2] != to[2] * b || from[3] != to[3] * b) {
    return false;
  }
  focus.phases.push_back(phase);
  return true;
}

/// All phases of one image, each once, joined along the channels for one reader.
std::optional<Focus> focus_of(const Network& network, TensorId joined) {
  const LayerId layer = droppable_producer(network, joined);
  const auto* op = layer.valid() ? std::get_if<Concatenation>(&network.op(layer)) : nullptr;
  const Shape& shape = network.shape(joined);
  if (op == nullptr || op->axis != 1 || shape.rank() != 4 || shape[2] == kDynamic ||
      shape[3] == kDynamic) {
    return std::nullopt;
  }
  Focus focus;
  for (const TensorId part : network.inputs(layer)) {
    if (!add_phase(network, part, focus)) return std::nullopt;
  }
  auto sorted = focus.phases;
  std::sort(sorted.begin(), sorted.end());
  const bool once = std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
  const bool all = static_cast<int64_t>(sorted.size()) == focus.block * focus.block;
  return once && all ? std::optional(focus) : std::nullopt;
}

/// (M, phases · C, h, w) → (M, C, h · block, w · block)
Tensor spread_weights(const Tensor& weights, const Focus& focus) {
  const Shape& s = weights.shape();
  const int64_t b = focus.block, phases = b * b, channels = s[1] / phases;
  Tensor spread(DataType::kFloat32, Shape{s[0], channels, s[2] * b, s[3] * b});
  const float* from = weights.as<float>();
  for (int64_t i = 0; i < weights.volume(); ++i) {
    const int64_t column = i % s[3], row = i / s[3] % s[2], in = i / (s[2] * s[3]) % s[1];
    const auto& [dy, dx] = focus.phases[static_cast<size_t>(in / channels)];
    const int64_t out = i / (s[1] * s[2] * s[3]);
    const int64_t line = (out * channels + in % channels) * s[2] * b + row * b + dy;
    spread.as<float>()[line * s[3] * b + column * b + dx] = from[i];
  }
  return spread;
}

bool fold_focus_into(Network& network, LayerId layer) {
  const auto* op = std::get_if<Convolution>(&network.op(layer));
  if (op == nullptr || op->groups != 1 || op->window.mode != PaddingMode::kExplicit) return false;
  const auto source = weight_source(network, layer);
  if (!source || source->dequantize != nullptr || source->value->type() != DataType::kFloat32) {
    return false;
  }
  const auto focus = focus_of(network, network.inputs(layer)[0]);
  Convolution wide{.window = normalized(op->window, 2), .groups = 1};
  if (!focus || wide.window.dilation != std::vector<int64_t>{1, 1}) return false;
  auto& window = wide.window;
  for (auto* list : {&window.kernel, &window.stride, &window.pad_before, &window.pad_after}) {
    for (int64_t& extent : *list) extent *= focus->block;
  }
  Tensor weights = spread_weights(*source->value, *focus);
  window.kernel = {weights.shape()[2], weights.shape()[3]};
  std::vector<TensorId> inputs = network.inputs(layer);
  inputs[0] = focus->x;
  inputs[1] = network.constant(std::move(weights),
                               free_name(network, network.name(layer) + ".weights.spread"));
  put_in_place(network, layer, std::move(wide), inputs);
  return true;
}

}  // namespace

int fold_padding(Network& network) {
  int changed = 0;
  for (const LayerId layer : network.layers()) {
    if (fold_padding_into(network, layer)) ++changed;
  }
  if (changed > 0) remove_dead_layers(network);
  return changed;
}

int fold_focus(Network& network) {
  int changed = 0;
  for (const LayerId layer : network.layers()) {
    if (fold_focus_into(network, layer)) ++changed;
  }
  if (changed > 0) remove_dead_layers(network);
  return changed;
}

}  // namespace octile
