// Network: edits. Shapes are inferred anew downstream of every edit; when a layer there does not
// fit, the edit is taken back and the error names that layer.
#include <algorithm>
#include <utility>

#include "graph/context.h"
#include "octile/network.h"
#include "ops/ops.h"

namespace octile {

void Network::reinfer(std::vector<LayerId> dirty) {
  std::vector<bool> layer_dirty(layers_.size(), false), tensor_changed(tensors_.size(), false);
  for (LayerId layer : dirty) layer_dirty[static_cast<size_t>(layer.index)] = true;
  std::vector<std::pair<TensorId, TensorInfo>> undo;
  const auto changed = [&](TensorId id) { return tensor_changed[static_cast<size_t>(id.index)]; };
  try {
    for (LayerId layer : layers()) {
      const LayerRecord& record = at(layer);
      const bool due = layer_dirty[static_cast<size_t>(layer.index)] ||
                       std::any_of(record.inputs.begin(), record.inputs.end(), changed);
      if (!due || record.value != nullptr) continue;
      const std::vector<TensorInfo> infos = with_layer(record.name, record.op, [&] {
        std::vector<TensorInfo> in;
        for (TensorId id : record.inputs) {
          in.push_back({at(id).type, at(id).shape, constant_value(id)});
        }
        return infer(record.op, in);
      });
      check(infos.size() == record.outputs.size(), ErrorCode::kInternal,
            "layer '{}' has {} outputs, but its op gives {}", record.name, record.outputs.size(),
            infos.size());
      for (size_t i = 0; i < infos.size(); ++i) {
        TensorRecord& tensor = at(record.outputs[i]);
        if (tensor.type == infos[i].type && tensor.shape == infos[i].shape) continue;
        undo.push_back({record.outputs[i], {tensor.type, tensor.shape, nullptr}});
        tensor.type = infos[i].type;
        tensor.shape = infos[i].shape;
        tensor_changed[static_cast<size_t>(record.outputs[i].index)] = true;
      }
    }
  } catch (...) {
    for (const auto& [id, info] : undo) {
      at(id).type = info.type;
      at(id).shape = info.shape;
    }
    throw;
  }
}

void Network::retire(TensorId tensor) {
  TensorRecord& record = at(tensor);
  tensor_names_.erase(record.name);
  record.alive = false;
}

bool Network::is_used(TensorId tensor) const {
  return is_output(tensor) || !consumers(tensor).empty();
}

void Network::set_op(LayerId layer, Op op) {
  const LayerRecord before = at(layer);
  check(before.value == nullptr && !std::holds_alternative<Constant>(op),
        ErrorCode::kInvalidArgument,
        "layer '{}' ({}): a Constant's op cannot be set; add another constant and use "
        "replace_uses()",
        before.name, name_of(before.op));
  const std::vector<TensorInfo> infos = with_layer(before.name, op, [&] {
    std::vector<TensorInfo> in;
    for (TensorId id : before.inputs) in.push_back({type(id), shape(id), constant_value(id)});
    return infer(op, in);
  });
  for (size_t i = infos.size(); i < before.outputs.size(); ++i) {
    check(!is_used(before.outputs[i]), ErrorCode::kInvalidArgument,
          "layer '{}' ({}): its output '{}' is used, but the new op has {} outputs", before.name,
          name_of(op), name(before.outputs[i]), infos.size());
  }
  at(layer).op = std::move(op);
  at(layer).outputs.resize(std::min(infos.size(), before.outputs.size()));
  for (size_t i = before.outputs.size(); i < infos.size(); ++i) {
    at(layer).outputs.push_back(add_tensor(
        {output_name(before, i), infos[i].type, infos[i].shape, layer, true, std::nullopt}));
  }
  try {
    reinfer({layer});
  } catch (...) {
    for (size_t i = before.outputs.size(); i < infos.size(); ++i) {
      tensor_names_.erase(tensors_.back().name);
      tensors_.pop_back();
    }
    at(layer) = before;
    throw;
  }
  for (size_t i = infos.size(); i < before.outputs.size(); ++i) retire(before.outputs[i]);
}

/// Which layers the tensor depends on.
std::vector<bool> Network::ancestors(TensorId tensor) const {
  std::vector<bool> seen(layers_.size(), false);
  std::vector<TensorId> todo{tensor};
  while (!todo.empty()) {
    const LayerId from = producer(todo.back());
    todo.pop_back();
    if (!from.valid() || seen[static_cast<size_t>(from.index)]) continue;
    seen[static_cast<size_t>(from.index)] = true;
    todo.insert(todo.end(), inputs(from).begin(), inputs(from).end());
  }
  return seen;
}

void Network::set_input(LayerId layer, int index, TensorId tensor) {
  const LayerRecord& record = at(layer);
  const std::vector<TensorId> before = record.inputs;
  const int count = static_cast<int>(before.size());
  check(index >= 0 && index <= count, ErrorCode::kInvalidArgument,
        "layer '{}' ({}) has {} inputs, so input {} cannot be set", record.name, name_of(record.op),
        count, index);
  check(!ancestors(tensor)[static_cast<size_t>(layer.index)], ErrorCode::kInvalidArgument,
        "layer '{}' ({}) cannot read tensor '{}', which depends on that layer", record.name,
        name_of(record.op), name(tensor));
  std::vector<TensorId>& inputs = at(layer).inputs;
  if (index == count) {
    inputs.push_back(tensor);
  } else {
    inputs[static_cast<size_t>(index)] = tensor;
  }
  try {
    reinfer({layer});
  } catch (...) {
    at(layer).inputs = before;
    throw;
  }
}

void Network::replace_uses(TensorId from, TensorId to) {
  if (from == to) return;
  const bool as_output = is_output(from);
  check(!as_output || (producer(to).valid() && !is_output(to)), ErrorCode::kInvalidArgument,
        "tensor '{}' cannot take the place of network output '{}', since it is an input or an "
        "output itself; put an Identity between",
        name(to), name(from));
  const std::vector<bool> above = ancestors(to);
  std::vector<LayerId> users;
  std::vector<std::vector<TensorId>> before;
  for (LayerId user : consumers(from)) {
    if (above[static_cast<size_t>(user.index)]) continue;
    users.push_back(user);
    before.push_back(inputs(user));
    std::replace(at(user).inputs.begin(), at(user).inputs.end(), from, to);
  }
  try {
    reinfer(users);
  } catch (...) {
    for (size_t i = 0; i < users.size(); ++i) at(users[i]).inputs = before[i];
    throw;
  }
  if (!as_output) return;
  std::replace(outputs_.begin(), outputs_.end(), from, to);
  std::swap(at(from).name, at(to).name);
  tensor_names_[at(from).name] = from.index;
  tensor_names_[at(to).name] = to.index;
}

void Network::remove(LayerId layer) {
  LayerRecord& record = at(layer);
  for (TensorId id : record.outputs) {
    check(!is_used(id), ErrorCode::kInvalidArgument,
          "layer '{}' ({}) cannot be removed: its output '{}' is used; call replace_uses() or "
          "unmark_output() first",
          record.name, name_of(record.op), name(id));
  }
  for (TensorId id : record.outputs) retire(id);
  layer_names_.erase(record.name);
  record.alive = false;
  record.value.reset();
  record.inputs.clear();
}

void Network::truncate(int layers) {
  check(layers >= 0 && layers <= layer_count(), ErrorCode::kInvalidArgument,
        "network '{}' has {} layers, so it cannot be cut to {}", name_, layer_count(), layers);
  const auto kept = static_cast<size_t>(layers);
  const auto goes = [&](TensorId id) {
    return tensors_[static_cast<size_t>(id.index)].producer.index >= layers;
  };
  for (size_t i = 0; i < kept; ++i) {
    if (!layers_[i].alive) continue;
    for (TensorId id : layers_[i].inputs) {
      check(!goes(id), ErrorCode::kInvalidArgument,
            "network '{}' cannot be cut to {} layers: layer '{}' reads tensor '{}', which a later "
            "one makes",
            name_, layers, layers_[i].name, name(id));
    }
  }
  std::erase_if(outputs_, goes);
  for (size_t i = kept; i < layers_.size(); ++i) {
    const LayerRecord& record = layers_[i];
    numbered_ -= record.numbered ? 1 : 0;
    if (!record.alive) continue;
    for (TensorId id : record.outputs) retire(id);
    layer_names_.erase(record.name);
  }
  layers_.erase(layers_.begin() + layers, layers_.end());
  // What set_op() took from an older layer stays dead in between, so that handles stay true.
  while (!tensors_.empty() && tensors_.back().producer.index >= layers) tensors_.pop_back();
}

}  // namespace octile
