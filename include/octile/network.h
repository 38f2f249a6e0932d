// The float network as the user builds it: layers (ops placed), tensors, shapes, requests.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "octile/ops.h"
#include "octile/tensor.h"
#include "octile/types.h"

namespace octile {

/// Handles into one Network. Stable under edits; a removed layer's handle is not used again, except
/// after truncate().
struct TensorId {
  int32_t index = -1;
  bool valid() const { return index >= 0; }
  bool operator==(const TensorId&) const = default;
};
struct LayerId {
  int32_t index = -1;
  bool valid() const { return index >= 0; }
  bool operator==(const LayerId&) const = default;
};

/// A Network is a graph of layers over named tensors. Shapes are inferred as layers are added: a
/// layer that cannot be is refused there with an Error that names it. Value type: copies share the
/// constants' bytes. Not thread-safe for writing.
///
/// Default names are TensorRT's: "(Unnamed Layer* 3) [Convolution]" for a layer and
/// "(Unnamed Layer* 3) [Convolution]_output" for its output ("…_output_2" for the second), so that
/// old calibration caches match. The number counts layers in order of adding; the constants of the
/// short forms ("conv1.weights") take none. Names of layers, and those of tensors, are unique: a
/// name given twice is refused.
class Network {
 public:
  explicit Network(std::string name = "network");

  // --- building ---
  /// A network input. Extents may be kDynamic (−1); profiles bound them at build time.
  TensorId add_input(const std::string& name, DataType type, const Shape& shape);
  /// Places an op. Throws kInvalidArgument naming the layer when op and inputs do not fit.
  LayerId add(Op op, const std::vector<TensorId>& inputs, const std::string& name = "");
  TensorId constant(Tensor value, const std::string& name = "");
  void mark_output(TensorId tensor, const std::string& new_name = "");

  // --- building, one short form a layer; each returns the first output ---
  TensorId convolution(TensorId x, Tensor weights, std::optional<Tensor> bias, Convolution op,
                       const std::string& name = "");
  TensorId deconvolution(TensorId x, Tensor weights, std::optional<Tensor> bias, Deconvolution op,
                         const std::string& name = "");
  TensorId activation(TensorId x, ActivationKind kind, float alpha = 0.0f, float beta = 0.0f,
                      const std::string& name = "");
  TensorId pooling(TensorId x, Pooling op, const std::string& name = "");
  TensorId scale(TensorId x, std::optional<Tensor> scale, std::optional<Tensor> shift,
                 std::optional<Tensor> power, int64_t axis = 1, const std::string& name = "");
  /// y = gamma·(x − mean)/√(variance + epsilon) + beta along axis 1, as a Scale layer.
  TensorId batch_norm(TensorId x, const Tensor& gamma, const Tensor& beta, const Tensor& mean,
                      const Tensor& variance, float epsilon = 1e-5f, const std::string& name = "");
  TensorId elementwise(TensorId a, TensorId b, ElementwiseKind kind, const std::string& name = "");
  TensorId unary(TensorId x, UnaryKind kind, const std::string& name = "");
  TensorId reduce(TensorId x, Reduce op, const std::string& name = "");
  TensorId matrix_multiply(TensorId a, TensorId b, MatrixMultiply op = {},
                           const std::string& name = "");
  /// x (…, K) · weights (K, N) + bias (N): a matrix multiply with constant right operand.
  TensorId fully_connected(TensorId x, Tensor weights, std::optional<Tensor> bias,
                           const std::string& name = "");
  TensorId shuffle(TensorId x, Shuffle op, const std::string& name = "");
  TensorId reshape(TensorId x, const std::vector<int64_t>& dims, const std::string& name = "");
  TensorId transpose(TensorId x, const std::vector<int64_t>& permutation,
                     const std::string& name = "");
  TensorId concatenation(const std::vector<TensorId>& xs, int64_t axis,
                         const std::string& name = "");
  TensorId slice(TensorId x, Slice op, const std::string& name = "");
  TensorId padding(TensorId x, Padding op, const std::string& name = "");
  TensorId softmax(TensorId x, const std::vector<int64_t>& axes, const std::string& name = "");
  /// Returns the layer, whose output(layer, 0) are values and output(layer, 1) indices.
  LayerId top_k(TensorId x, TopK op, const std::string& name = "");
  TensorId gather(TensorId data, TensorId indices, int64_t axis, const std::string& name = "");
  TensorId resize(TensorId x, Resize op, const std::string& name = "");
  TensorId select(TensorId condition, TensorId a, TensorId b, const std::string& name = "");
  TensorId cast(TensorId x, DataType type, const std::string& name = "");
  TensorId identity(TensorId x, const std::string& name = "");
  TensorId quantize(TensorId x, Quantize op, const std::string& name = "");
  TensorId dequantize(TensorId q, Dequantize op, const std::string& name = "");

  // --- editing: shapes are inferred anew downstream; an edit that throws changes nothing ---
  /// Gives the layer another op (of any kind but Constant). Outputs that fall away must be unused.
  void set_op(LayerId layer, Op op);
  /// `index` may be one past the last input (an optional bias, say). Refuses a cycle.
  void set_input(LayerId layer, int index, TensorId tensor);
  /// The names of the layer's outputs stay.
  void rename(LayerId layer, const std::string& name);
  void rename(TensorId tensor, const std::string& name);
  /// Every use of `from` becomes a use of `to`, except in layers that `to` itself depends on (so a
  /// layer can be put behind a tensor). If `from` is an output of the network, `to` takes its place
  /// and its name; then `to` must be neither an input nor an output itself.
  void replace_uses(TensorId from, TensorId to);
  /// REQUIRES: none of the layer's outputs is used.
  void remove(LayerId layer);
  void unmark_output(TensorId tensor);
  /// Takes back what was added since layer_count() was `layers`: layers from that handle on go,
  /// newest first, with their marks as outputs and their numbers in default names; their handles
  /// and those of their tensors will be given again. Inputs of the network stay. Throws
  /// kInvalidArgument, and changes nothing, when an older layer reads what one of them makes.
  void truncate(int layers);

  // --- requests to the builder ---
  void set_precision(LayerId layer, Precision precision);
  void set_scheme(LayerId layer, Scheme scheme);
  /// A manual range: beats the calibrator. Throws unless min ≤ max, both finite.
  void set_dynamic_range(TensorId tensor, Range range);
  Precision precision(LayerId layer) const;
  std::optional<Scheme> scheme(LayerId layer) const;
  std::optional<Range> dynamic_range(TensorId tensor) const;

  // --- asking ---
  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }
  /// Live layers in a topological order: producers before consumers; else in order of adding.
  std::vector<LayerId> layers() const;
  const Op& op(LayerId layer) const;
  const std::string& name(LayerId layer) const;
  const std::vector<TensorId>& inputs(LayerId layer) const;
  const std::vector<TensorId>& outputs(LayerId layer) const;
  TensorId output(LayerId layer, int index = 0) const;
  const std::vector<TensorId>& inputs() const { return inputs_; }
  const std::vector<TensorId>& outputs() const { return outputs_; }
  const std::string& name(TensorId tensor) const;
  DataType type(TensorId tensor) const;
  /// Shape with kDynamic where unknown.
  const Shape& shape(TensorId tensor) const;
  /// Invalid id for network inputs.
  LayerId producer(TensorId tensor) const;
  std::vector<LayerId> consumers(TensorId tensor) const;
  /// The constant's value, or nullptr when `tensor` is no Constant layer's output.
  const Tensor* constant_value(TensorId tensor) const;
  bool is_output(TensorId tensor) const;
  std::optional<TensorId> find_tensor(std::string_view name) const;
  std::optional<LayerId> find_layer(std::string_view name) const;
  /// Handles are indices below these counts; removed ones are not alive.
  int tensor_count() const { return static_cast<int>(tensors_.size()); }
  int layer_count() const { return static_cast<int>(layers_.size()); }
  bool alive(LayerId layer) const;
  bool alive(TensorId tensor) const;
  /// One line a layer: name, op, inputs, output shapes.
  std::string to_string() const;
  /// 16 hex digits over ops, wiring, shapes and constants (not names of layers): the model digest.
  std::string digest() const;

 private:
  struct TensorRecord {
    std::string name;
    DataType type = DataType::kFloat32;
    Shape shape;
    LayerId producer;
    bool alive = true;
    std::optional<Range> range;
  };
  struct LayerRecord {
    Op op;
    std::string name;
    std::vector<TensorId> inputs, outputs;
    std::shared_ptr<const Tensor> value;  // Constant only
    Precision precision = Precision::kAuto;
    std::optional<Scheme> scheme;
    bool alive = true;
    bool numbered = false;  // counts in numbered_
  };

  LayerRecord& at(LayerId layer);
  const LayerRecord& at(LayerId layer) const;
  TensorRecord& at(TensorId tensor);
  const TensorRecord& at(TensorId tensor) const;
  struct Weights {  // constants that belong to a layer: "<layer>.<suffix>"
    std::string suffix;
    Tensor value;
  };
  TensorId weighted(Op op, TensorId x, std::vector<Weights> weights, const std::string& name);
  LayerId place(LayerRecord record, bool numbered);
  TensorId add_tensor(TensorRecord record);
  void retire(TensorId tensor);
  void reinfer(std::vector<LayerId> dirty);
  std::vector<bool> ancestors(TensorId tensor) const;
  bool is_used(TensorId tensor) const;
  std::string new_layer_name(const std::string& wanted, const Op& op) const;
  std::string free_layer_name(const std::string& base) const;
  std::string free_tensor_name(const std::string& base) const;
  std::string output_name(const LayerRecord& record, size_t index) const;

  std::string name_;
  std::vector<TensorRecord> tensors_;
  std::vector<LayerRecord> layers_;
  std::vector<TensorId> inputs_, outputs_;
  std::unordered_map<std::string, int32_t> tensor_names_, layer_names_;
  int32_t numbered_ = 0;  // layers added so far, without those that hold another layer's weights
};

}  // namespace octile
