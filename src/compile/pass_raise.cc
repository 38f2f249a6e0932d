// raise-transposes: detection heads flatten images of several sizes, join them, and bring the
// channels to the end of all. Each image by itself has them there already, stored channels last:
// the transpose moves up to the images, where it moves nothing.
#include <algorithm>

#include "compile/passes.h"
#include "compile/rewrite.h"

namespace octile {
namespace {

bool is_plain_transpose(const Op& op, const std::vector<int64_t>& order) {
  const auto* shuffle = std::get_if<Shuffle>(&op);
  return shuffle != nullptr && shuffle->first == order && !shuffle->has_reshape &&
         shuffle->second.empty();
}

/// The image (N, C, H, W) of which `t` is the reshape to (N, C, H·W); else an invalid id.
TensorId flattened_image(const Network& network, TensorId t) {
  const LayerId layer = network.producer(t);
  const auto* op = layer.valid() ? std::get_if<Shuffle>(&network.op(layer)) : nullptr;
  if (op == nullptr || !op->has_reshape || !op->first.empty() || !op->second.empty()) return {};
  const TensorId image = network.inputs(layer)[0];
  const Shape from = network.shape(image), to = network.shape(t);
  if (from.rank() != 4 || to.rank() != 3 || from[1] <= 0 || from[1] != to[1]) return {};
  const bool copied = !op->dims.empty() && op->dims[0] == 0 && op->zero_is_placeholder;
  const bool same_samples = copied || (from[0] > 0 && from[0] == to[0]);
  return same_samples && !is_asked_for(network, layer) ? image : TensorId{};
}

/// concat(reshape(x) …, axis 2) ▸ transpose → concat(transpose + reshape(x) …, axis 1).
bool try_raise(Network& network, LayerId transpose) {
  if (!is_plain_transpose(network.op(transpose), {0, 2, 1})) return false;
  const LayerId joined = droppable_producer(network, network.inputs(transpose)[0]);
  const auto* join = joined.valid() ? std::get_if<Concatenation>(&network.op(joined)) : nullptr;
  if (join == nullptr || (join->axis != 2 && join->axis != -1)) return false;
  const std::vector<TensorId> parts = network.inputs(joined);
  const bool images = std::all_of(parts.begin(), parts.end(),
                                  [&](TensorId t) { return flattened_image(network, t).valid(); });
  if (!images) return false;
  std::vector<TensorId> moved;
  for (const TensorId t : parts) {
    const TensorId image = flattened_image(network, t);
    Shuffle op;
    op.first = {0, 2, 3, 1};
    op.has_reshape = true;
    op.dims = {0, -1, network.shape(image)[1]};
    moved.push_back(network.output(network.add(op, {image})));
  }
  put_in_place(network, transpose, Concatenation{1}, moved);
  return true;
}

}  // namespace

int raise_transposes(Network& network) {
  int changed = 0;
  for (const LayerId layer : network.layers()) {
    if (try_raise(network, layer)) ++changed;
  }
  if (changed > 0) remove_dead_layers(network);
  return changed;
}

}  // namespace octile
