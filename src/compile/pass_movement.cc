// Passes over layers that only move values. merge-movement follows an element through a chain of
// them (strided_view.h); sink-transposes moves transposes down until they meet.
#include <algorithm>

#include "base/error.h"
#include "compile/passes.h"
#include "compile/rewrite.h"
#include "compile/strided_view.h"
#include "ops/ops.h"

namespace octile {
namespace {

constexpr size_t kLongestChain = 16;

bool moves(const Op& op) {
  return std::holds_alternative<Shuffle>(op) || std::holds_alternative<Slice>(op) ||
         std::holds_alternative<Gather>(op) || std::holds_alternative<Identity>(op);
}

/// Extents that are not known stand in as primes: no reshape can take one apart by accident.
constexpr int64_t kPrimes[kMaxRank] = {1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049};

struct Source {
  Shape shape;
  std::array<bool, kMaxRank> fixed{};
};

std::optional<Source> source_of(const Shape& shape) {
  Source source{.shape = shape, .fixed = {}};
  int64_t volume = 1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    source.fixed[a] = shape[axis] == kDynamic;
    if (source.fixed[a]) source.shape[axis] = kPrimes[a];
    if (source.shape[axis] == 0 || __builtin_mul_overflow(volume, source.shape[axis], &volume)) {
      return std::nullopt;
    }
  }
  return source;
}

/// The one layer that does to `x` what the chain (first layer first) does; nullopt if there is
/// none.
std::optional<Op> joined(const Network& network, TensorId x, std::span<const LayerId> chain) {
  const auto source = source_of(network.shape(x));
  if (!source) return std::nullopt;
  std::optional<StridedView> view = view_of(source->shape);
  for (const LayerId layer : chain) {
    const Op& op = network.op(layer);
    const auto& inputs = network.inputs(layer);
    std::vector<TensorInfo> infos{{network.type(x), view->shape, nullptr}};
    const Tensor* index = inputs.size() > 1 ? network.constant_value(inputs[1]) : nullptr;
    if (inputs.size() > 1) {
      infos.push_back({network.type(inputs[1]), network.shape(inputs[1]), index});
    }
    try {
      view = applied(op, *view, infer(op, infos)[0].shape, index);
    } catch (const Error&) {  // the stand-ins do not fit
      return std::nullopt;
    }
    if (!view) return std::nullopt;
  }
  return one_layer(*view, source->shape, source->fixed);
}

/// Tries the farthest tensor first.
bool merge_upwards(Network& network, LayerId layer) {
  std::vector<LayerId> chain{layer};  // last layer first
  while (chain.size() < kLongestChain) {
    const LayerId next = network.producer(network.inputs(chain.back())[0]);
    if (!next.valid() || !moves(network.op(next)) || is_asked_for(network, next)) break;
    chain.push_back(next);
  }
  std::reverse(chain.begin(), chain.end());
  for (size_t first = 0; first < chain.size(); ++first) {
    const std::span<const LayerId> part = std::span(chain).subspan(first);
    const TensorId x = network.inputs(part[0])[0];
    const auto op = joined(network, x, part);
    if (!op || (part.size() == 1 && !std::holds_alternative<Identity>(*op))) continue;
    if (part.size() == 1 && std::holds_alternative<Identity>(network.op(layer))) return false;
    put_in_place(network, layer, *op, {x});
    return true;
  }
  return false;
}

}  // namespace

int merge_movement(Network& network) {
  int changed = 0;
  for (const LayerId layer : network.layers()) {
    if (moves(network.op(layer)) && merge_upwards(network, layer)) ++changed;
  }
  if (changed > 0) remove_dead_layers(network);
  return changed;
}

}  // namespace octile
