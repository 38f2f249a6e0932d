// What the import of one graph carries along: the network so far, and what every ONNX name stands
// for: a tensor of that network, or a value that is known already.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "formats/onnx/extents.h"
#include "octile/network.h"

namespace octile {

/// What a name stands for. A constant becomes a layer of the network only when a layer reads it.
struct Value {
  std::optional<TensorId> tensor;
  std::shared_ptr<Tensor> constant;  // set when known (and not in the network yet)
  /// Set with `constant`: the value depends on unknown extents, and these are its two evaluations
  /// for the two probes of extents.h (`constant` is for probe 0).
  std::shared_ptr<Tensor> second;

  static Value of(TensorId id) { return {id, nullptr, nullptr}; }
  static Value of(Tensor value) {
    return {std::nullopt, std::make_shared<Tensor>(std::move(value)), nullptr};
  }
};

struct ImportState {
  explicit ImportState(const std::string& name) : network(name) {}

  Network network;
  Extents extents;
  std::unordered_map<std::string, Value> values;
  /// Element types that the file declares, by name (onnx::TensorProto::DataType).
  std::shared_ptr<const std::unordered_map<std::string, int>> declared;
  std::string folder;               // of external data; "" for a model from memory
  Symbol forced_batch = kNoSymbol;  // of OnnxOptions::dynamic_batch

  /// The name with "#2", "#3", … behind it when a layer has it already.
  std::string free_layer_name(const std::string& name) const;
  /// Gives the tensor its ONNX name; a default name in the way is moved aside.
  void name_tensor(TensorId tensor, const std::string& name);
};

}  // namespace octile
