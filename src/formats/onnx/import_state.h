// What the import of one graph carries along: the network so far, and what every ONNX name stands
// for: a tensor of that network, or a value that is known already.
#pragma once

#include <onnx/onnx_pb.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "formats/onnx/extents.h"
#include "octile/network.h"

namespace octile {

struct ImportState;

/// What a name stands for. A constant becomes a layer of the network only when a layer reads it.
struct Value {
  /// Adds the layers that compute the value when the network runs.
  using Maker = std::function<TensorId(ImportState&)>;

  std::optional<TensorId> tensor;
  std::shared_ptr<Tensor> constant;  // set when known (and not in the network yet)
  /// Set with `constant`: the value depends on unknown extents, and these are its two evaluations
  /// for the two probes of extents.h (`constant` is for probe 0).
  std::shared_ptr<Tensor> second;
  /// Set with `second`: for whoever needs more than its probes. What it made is kept in `tensor`.
  std::shared_ptr<const Maker> maker;

  static Value of(TensorId id) { return {id, nullptr, nullptr, nullptr}; }
  static Value of(Tensor value) {
    return {std::nullopt, std::make_shared<Tensor>(std::move(value)), nullptr, nullptr};
  }
};

/// What holds for the nodes at hand: those of the model, of a subgraph or of a function.
struct ImportScope {
  std::map<std::string, int64_t> opsets;  // by domain; "" is ONNX's own
  /// In front of the names that this scope defines: "loop[3]/". "" for the model's own.
  std::string label;
  std::unordered_set<std::string> own;  // the names that the label belongs to
  int depth = 0;
};

/// What the whole import may cost beyond what lies in the file: files of a few bytes must neither
/// fill memory nor take hours.
struct ImportBudget {
  int64_t nodes = 100'000;                // of bodies, branches and functions, every time
  int64_t made_bytes = int64_t{1} << 30;  // constants computed at import, together
  int64_t work = 500'000'000;             // of computing them, as evaluation_work() counts it
};

struct ImportState {
  explicit ImportState(const std::string& name) : network(name) {}

  Network network;
  Extents extents;
  std::unordered_map<std::string, Value> values;
  /// Element types that the file declares, by name (onnx::TensorProto::DataType).
  std::shared_ptr<const std::unordered_map<std::string, int>> declared;
  /// False: add_onnx_node() adds to a network in memory. Whole numbers stand for floats then, and
  /// messages do not speak of the file's inputs.
  bool from_file = true;
  std::string folder;               // of external data; "" for a model from memory
  Symbol forced_batch = kNoSymbol;  // of OnnxOptions::dynamic_batch
  ImportScope scope;
  ImportBudget budget;
  /// Functions of the model, by domain and name.
  std::map<std::pair<std::string, std::string>, const onnx::FunctionProto*> functions;
  std::function<void(const std::string&)> warn = [](const std::string&) {};

  /// The name with the scope's label, if the scope defines it.
  std::string labelled(const std::string& name) const {
    return scope.own.contains(name) ? scope.label + name : name;
  }
  /// The tensor of a value that depends on unknown extents; its layers are added once.
  TensorId computed(Value& value, const std::string& name);
  /// For a constant that was given: larger models may compute more.
  void grow_budget(const Tensor& given);
  /// Takes `amount` from a part of the budget. Throws kUnsupported when it is spent.
  void spend(int64_t ImportBudget::*part, int64_t amount);
  /// The same of `work`, however much it is.
  void spend_work(double operations);
  /// The name with "#2", "#3", … behind it when a layer has it already.
  std::string free_layer_name(const std::string& name) const;
  /// Gives the tensor its ONNX name; a default name in the way is moved aside.
  void name_tensor(TensorId tensor, const std::string& name);

 private:
  /// Where the numbering of copies of a name goes on: looking from 2 every time takes for ever.
  mutable std::unordered_map<std::string, int> layer_copies_, tensor_copies_;
};

}  // namespace octile
