// Network: the short forms, one a layer. Weights become Constant layers named "<layer>.weights",
// "<layer>.bias", … that take no number, as in TensorRT, where they belong to the layer.
#include <cmath>
#include <utility>

#include "graph/context.h"
#include "octile/network.h"
#include "ops/ops.h"

namespace octile {
namespace {

/// The kernel that the weights (…, …, kernel…) have; one that the caller gave stays.
void fill_kernel(Window& window, const Tensor& weights) {
  if (!window.kernel.empty()) return;
  for (int axis = 2; axis < weights.shape().rank(); ++axis) {
    window.kernel.push_back(weights.shape()[axis]);
  }
}

}  // namespace

TensorId Network::weighted(Op op, TensorId x, std::vector<Weights> weights,
                           const std::string& name) {
  const std::string layer = new_layer_name(name, op);
  with_layer(layer, op, [&] {  // before anything is added
    std::vector<TensorInfo> infos{{type(x), shape(x), constant_value(x)}};
    for (const Weights& w : weights) {
      check(w.value.data() != nullptr, ErrorCode::kInvalidArgument, "its {} have no value",
            w.suffix);
      infos.push_back({w.value.type(), w.value.shape(), &w.value});
    }
    infer(op, infos);
  });
  std::vector<TensorId> inputs{x};
  for (Weights& w : weights) {
    LayerRecord record;
    record.op = Constant{};
    record.name = free_layer_name(fmt::format("{}.{}", layer, w.suffix));
    record.value = std::make_shared<const Tensor>(std::move(w.value));
    const LayerId holder = place(std::move(record), false);
    inputs.push_back(output(holder));
    const std::string tensor = layer + "." + w.suffix;
    if (this->name(inputs.back()) != tensor) rename(inputs.back(), free_tensor_name(tensor));
  }
  LayerRecord record;
  record.name = layer;
  record.op = std::move(op);
  record.inputs = std::move(inputs);
  return output(place(std::move(record), true));
}

TensorId Network::convolution(TensorId x, Tensor weights, std::optional<Tensor> bias,
                              Convolution op, const std::string& name) {
  fill_kernel(op.window, weights);
  std::vector<Weights> constants;
  constants.push_back({"weights", std::move(weights)});
  if (bias) constants.push_back({"bias", std::move(*bias)});
  return weighted(std::move(op), x, std::move(constants), name);
}

TensorId Network::deconvolution(TensorId x, Tensor weights, std::optional<Tensor> bias,
                                Deconvolution op, const std::string& name) {
  fill_kernel(op.window, weights);
  std::vector<Weights> constants;
  constants.push_back({"weights", std::move(weights)});
  if (bias) constants.push_back({"bias", std::move(*bias)});
  return weighted(std::move(op), x, std::move(constants), name);
}

TensorId Network::fully_connected(TensorId x, Tensor weights, std::optional<Tensor> bias,
                                  const std::string& name) {
  std::vector<Weights> constants;
  constants.push_back({"weights", std::move(weights)});
  if (bias) constants.push_back({"bias", std::move(*bias)});
  return weighted(MatrixMultiply{}, x, std::move(constants), name);
}

TensorId Network::scale(TensorId x, std::optional<Tensor> scale, std::optional<Tensor> shift,
                        std::optional<Tensor> power, int64_t axis, const std::string& name) {
  const Scale op{axis, scale.has_value(), shift.has_value(), power.has_value()};
  std::vector<Weights> constants;
  if (scale) constants.push_back({"scale", std::move(*scale)});
  if (shift) constants.push_back({"shift", std::move(*shift)});
  if (power) constants.push_back({"power", std::move(*power)});
  return weighted(op, x, std::move(constants), name);
}

TensorId Network::batch_norm(TensorId x, const Tensor& gamma, const Tensor& beta,
                             const Tensor& mean, const Tensor& variance, float epsilon,
                             const std::string& name) {
  const std::string layer = new_layer_name(name, Scale{});
  for (const Tensor* t : {&gamma, &beta, &mean, &variance}) {
    check(t->type() == DataType::kFloat32 && t->data() != nullptr && t->shape().rank() == 1 &&
              t->shape() == gamma.shape(),
          ErrorCode::kInvalidArgument,
          "layer '{}' (batch norm): gamma {}, beta {}, mean {} and variance {} must be float32 of "
          "one shape (C)",
          layer, gamma.shape().to_string(), beta.shape().to_string(), mean.shape().to_string(),
          variance.shape().to_string());
  }
  Tensor scale(DataType::kFloat32, gamma.shape()), shift(DataType::kFloat32, gamma.shape());
  for (int64_t c = 0; c < gamma.volume(); ++c) {
    const double spread = static_cast<double>(variance.as<float>()[c]) + epsilon;
    check(spread > 0.0, ErrorCode::kInvalidArgument,
          "layer '{}' (batch norm): variance[{}] + epsilon is {}, but must be positive", layer, c,
          spread);
    const double factor = gamma.as<float>()[c] / std::sqrt(spread);
    scale.as<float>()[c] = static_cast<float>(factor);
    shift.as<float>()[c] = static_cast<float>(beta.as<float>()[c] - mean.as<float>()[c] * factor);
  }
  return this->scale(x, std::move(scale), std::move(shift), std::nullopt, 1, name);
}

TensorId Network::activation(TensorId x, ActivationKind kind, float alpha, float beta,
                             const std::string& name) {
  return output(add(Activation{kind, alpha, beta}, {x}, name));
}
TensorId Network::pooling(TensorId x, Pooling op, const std::string& name) {
  return output(add(std::move(op), {x}, name));
}
TensorId Network::elementwise(TensorId a, TensorId b, ElementwiseKind kind,
                              const std::string& name) {
  return output(add(Elementwise{kind}, {a, b}, name));
}
TensorId Network::unary(TensorId x, UnaryKind kind, const std::string& name) {
  return output(add(Unary{kind}, {x}, name));
}
TensorId Network::reduce(TensorId x, Reduce op, const std::string& name) {
  return output(add(std::move(op), {x}, name));
}
TensorId Network::matrix_multiply(TensorId a, TensorId b, MatrixMultiply op,
                                  const std::string& name) {
  return output(add(op, {a, b}, name));
}
TensorId Network::shuffle(TensorId x, Shuffle op, const std::string& name) {
  return output(add(std::move(op), {x}, name));
}
TensorId Network::reshape(TensorId x, const std::vector<int64_t>& dims, const std::string& name) {
  Shuffle op;
  op.has_reshape = true;
  op.dims = dims;
  return output(add(std::move(op), {x}, name));
}
TensorId Network::transpose(TensorId x, const std::vector<int64_t>& permutation,
                            const std::string& name) {
  Shuffle op;
  op.first = permutation;
  return output(add(std::move(op), {x}, name));
}
TensorId Network::concatenation(const std::vector<TensorId>& xs, int64_t axis,
                                const std::string& name) {
  return output(add(Concatenation{axis}, xs, name));
}
TensorId Network::slice(TensorId x, Slice op, const std::string& name) {
  return output(add(std::move(op), {x}, name));
}
TensorId Network::padding(TensorId x, Padding op, const std::string& name) {
  return output(add(std::move(op), {x}, name));
}
TensorId Network::softmax(TensorId x, const std::vector<int64_t>& axes, const std::string& name) {
  return output(add(Softmax{axes}, {x}, name));
}
LayerId Network::top_k(TensorId x, TopK op, const std::string& name) { return add(op, {x}, name); }
TensorId Network::gather(TensorId data, TensorId indices, int64_t axis, const std::string& name) {
  return output(add(Gather{axis}, {data, indices}, name));
}
TensorId Network::resize(TensorId x, Resize op, const std::string& name) {
  return output(add(std::move(op), {x}, name));
}
TensorId Network::select(TensorId condition, TensorId a, TensorId b, const std::string& name) {
  return output(add(Select{}, {condition, a, b}, name));
}
TensorId Network::cast(TensorId x, DataType type, const std::string& name) {
  return output(add(Cast{type}, {x}, name));
}
TensorId Network::identity(TensorId x, const std::string& name) {
  return output(add(Identity{}, {x}, name));
}
TensorId Network::quantize(TensorId x, Quantize op, const std::string& name) {
  return output(add(std::move(op), {x}, name));
}
TensorId Network::dequantize(TensorId q, Dequantize op, const std::string& name) {
  return output(add(std::move(op), {q}, name));
}

}  // namespace octile
