// merge-equal: layers that compute the same from the same tensors become one.
#include <cstring>
#include <unordered_map>

#include "compile/passes.h"
#include "compile/rewrite.h"
#include "ops/fields.h"

namespace octile {
namespace {

uint64_t mixed(uint64_t hash, uint64_t value) {
  return (hash ^ value) * 0x9e3779b97f4a7c15ull + (hash >> 29);
}

/// Equal layers have equal keys; what has an equal key is compared.
uint64_t key_of(const Network& network, LayerId layer) {
  uint64_t key = mixed(1, network.op(layer).index());
  for (const TensorId t : network.inputs(layer)) key = mixed(key, uint64_t(t.index));
  const TensorId y = network.output(layer);
  for (const int64_t extent : network.shape(y)) key = mixed(key, uint64_t(extent));
  const Tensor* value = network.constant_value(y);
  if (value == nullptr) return key;
  const auto* bytes = static_cast<const std::byte*>(value->data());
  for (size_t at = 0; at + 8 <= value->bytes(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes + at, sizeof(word));
    key = mixed(key, word);
  }
  return key;
}

/// The same values, and nothing that the user asked of one alone.
bool are_equal(const Network& network, LayerId a, LayerId b) {
  if (network.inputs(a) != network.inputs(b) || !(network.op(a) == network.op(b)) ||
      network.precision(a) != network.precision(b) || network.scheme(a) != network.scheme(b)) {
    return false;
  }
  for (size_t i = 0; i < network.outputs(a).size(); ++i) {
    const TensorId x = network.outputs(a)[i], y = network.outputs(b)[i];
    if (network.is_output(y) || network.dynamic_range(x) != network.dynamic_range(y)) return false;
  }
  const Tensor* value = network.constant_value(network.output(a));
  return value == nullptr || *value == *network.constant_value(network.output(b));
}

}  // namespace

int merge_equal(Network& network) {
  int changed = 0;
  std::unordered_multimap<uint64_t, LayerId> seen;
  for (const LayerId layer : network.layers()) {  // producers come first: merged inputs are equal
    const uint64_t key = key_of(network, layer);
    const auto [begin, end] = seen.equal_range(key);
    LayerId same;
    for (auto it = begin; it != end; ++it) {
      if (are_equal(network, it->second, layer)) same = it->second;
    }
    if (!same.valid()) {
      seen.emplace(key, layer);
      continue;
    }
    for (size_t i = 0; i < network.outputs(layer).size(); ++i) {
      network.replace_uses(network.outputs(layer)[i], network.outputs(same)[i]);
    }
    network.remove(layer);
    ++changed;
  }
  return changed;
}

}  // namespace octile
