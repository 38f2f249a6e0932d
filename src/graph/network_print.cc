// Network: the printed form and the digest. The digest numbers tensors along the topological order,
// so that neither names nor removed layers matter.
#include "base/bytes.h"
#include "octile/network.h"
#include "ops/fields.h"

namespace octile {
namespace {

void hash_shape(Hash& hash, DataType type, const Shape& shape) {
  hash.add(name_of(type)).add_number(static_cast<uint64_t>(shape.rank()));
  for (int64_t extent : shape) hash.add_number(static_cast<uint64_t>(extent));
}

}  // namespace

std::string Network::to_string() const {
  const auto described = [&](TensorId id) {
    return fmt::format("{} {} {}", name(id), name_of(type(id)), shape(id).to_string());
  };
  const auto list = [&](const std::vector<TensorId>& ids, const auto& form) {
    std::string text;
    for (TensorId id : ids) text += fmt::format("{}{}", text.empty() ? "" : ", ", form(id));
    return text;
  };
  const auto named = [&](TensorId id) { return name(id); };
  std::string text = fmt::format("network '{}'\n", name_);
  for (TensorId id : inputs_) text += fmt::format("  input {}\n", described(id));
  for (LayerId layer : layers()) {
    text += fmt::format("  {}: {} ({}) -> {}\n", name(layer), octile::to_string(op(layer)),
                        list(inputs(layer), named), list(outputs(layer), described));
  }
  for (TensorId id : outputs_) text += fmt::format("  output {}\n", described(id));
  return text;
}

std::string Network::digest() const {
  Hash hash;
  std::vector<uint64_t> number(tensors_.size(), 0);
  uint64_t next = 0;
  const auto define = [&](TensorId id) {
    number[static_cast<size_t>(id.index)] = next++;
    hash_shape(hash, type(id), shape(id));
  };
  const auto use = [&](const std::vector<TensorId>& ids) {
    hash.add_number(ids.size());
    for (TensorId id : ids) hash.add_number(number[static_cast<size_t>(id.index)]);
  };
  for (TensorId id : inputs_) define(id);
  for (LayerId layer : layers()) {
    const LayerRecord& record = at(layer);
    hash.add_number(hash_of(record.op));
    use(record.inputs);
    for (TensorId id : record.outputs) define(id);
    if (record.value != nullptr) {
      hash.add_number(record.value->bytes()).add(record.value->data(), record.value->bytes());
    }
  }
  use(outputs_);
  return hash.hex();
}

}  // namespace octile
