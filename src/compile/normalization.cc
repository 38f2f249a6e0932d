// See normalization.h. Start reading at normalization_from().
#include "compile/normalization.h"

#include <algorithm>

#include "compile/rewrite.h"

namespace octile {
namespace {

const Elementwise* elementwise(const Network& network, LayerId layer, ElementwiseKind kind) {
  const auto* op = layer.valid() ? std::get_if<Elementwise>(&network.op(layer)) : nullptr;
  return op != nullptr && op->kind == kind ? op : nullptr;
}

/// How many innermost axes a kept-dims mean is over; 0 for any other layer.
int64_t innermost_axes(const Network& network, LayerId layer) {
  const auto* op = layer.valid() ? std::get_if<Reduce>(&network.op(layer)) : nullptr;
  if (op == nullptr || op->kind != ReduceKind::kMean || !op->keep_dims || op->axes.empty()) {
    return 0;
  }
  const int rank = network.shape(network.inputs(layer)[0]).rank();
  std::vector<int64_t> axes = op->axes;
  for (int64_t& axis : axes) axis = axis < 0 ? axis + rank : axis;
  std::sort(axes.begin(), axes.end());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] != rank - int64_t(axes.size()) + int64_t(i)) return 0;
  }
  return int64_t(axes.size());
}

/// Follows a chain of layers each of which alone reads what the one before it makes.
class Chain {
 public:
  std::vector<LayerId> layers;

  Chain(const Network& network, LayerId first, LayerId last)
      : layers{first}, network_(network), last_(last) {}

  TensorId end() const { return network_.output(layers.back()); }
  /// The only reader of the end, or an invalid id.
  LayerId next() const {
    const TensorId t = end();
    const auto consumers = network_.consumers(t);
    const bool stops = layers.back() == last_ || network_.is_output(t) || consumers.size() != 1;
    return stops || network_.dynamic_range(t) ? LayerId{} : consumers[0];
  }
  void take(LayerId layer) { layers.push_back(layer); }
  /// The constant that the next layer, if of `kind`, joins with the end; else null.
  const Tensor* next_with_constant(ElementwiseKind kind) const {
    const LayerId layer = next();
    if (elementwise(network_, layer, kind) == nullptr) return nullptr;
    const auto& inputs = network_.inputs(layer);
    const Tensor* value = network_.constant_value(inputs[inputs[0] == end() ? 1 : 0]);
    return value != nullptr && value->type() == DataType::kFloat32 ? value : nullptr;
  }
  bool take_unary(UnaryKind kind) {
    const LayerId layer = next();
    const auto* op = layer.valid() ? std::get_if<Unary>(&network_.op(layer)) : nullptr;
    if (op == nullptr || op->kind != kind) return false;
    take(layer);
    return true;
  }

 private:
  const Network& network_;
  LayerId last_;
};

/// True when `value` holds one number an element of the last `axes` axes of `shape`.
bool is_parameter(const Tensor& value, const Shape& shape, int64_t axes) {
  const int rank = value.shape().rank();
  if (rank > shape.rank() || rank < axes) return false;
  for (int i = 1; i <= rank; ++i) {
    const int64_t wanted = i <= axes ? shape[shape.rank() - i] : 1;
    if (wanted == kDynamic || value.shape()[rank - i] != wanted) return false;
  }
  return true;
}

/// From the mean of squares to 1 / √(… + epsilon), which is then taken.
bool take_inverse(const Network& network, Chain& chain, float* epsilon) {
  const Tensor* value = chain.next_with_constant(ElementwiseKind::kAdd);
  if (value == nullptr || value->volume() != 1 || !(value->as<float>()[0] >= 0.0f)) return false;
  *epsilon = value->as<float>()[0];
  if (network.shape(network.output(chain.next())) != network.shape(chain.end())) return false;
  chain.take(chain.next());
  return chain.take_unary(UnaryKind::kSqrt) && chain.take_unary(UnaryKind::kReciprocal);
}

}  // namespace

std::optional<Normalization> normalization_from(const Network& network, LayerId mean,
                                                LayerId last) {
  Normalization result;
  result.axes = innermost_axes(network, mean);
  if (result.axes == 0) return std::nullopt;
  result.x = network.inputs(mean)[0];
  if (network.type(result.x) != DataType::kFloat32) return std::nullopt;
  Chain chain(network, mean, last);

  const LayerId difference = chain.next();
  if (elementwise(network, difference, ElementwiseKind::kSub) == nullptr) return std::nullopt;
  if (network.inputs(difference) != std::vector<TensorId>{result.x, chain.end()}) {
    return std::nullopt;
  }
  const TensorId centred = network.output(difference);
  if (network.is_output(centred) || network.dynamic_range(centred)) return std::nullopt;
  LayerId square, product;  // which read the difference, the one twice
  for (const LayerId reader : network.consumers(centred)) {
    if (elementwise(network, reader, ElementwiseKind::kMul) == nullptr) return std::nullopt;
    const auto& inputs = network.inputs(reader);
    LayerId& slot = inputs[0] == inputs[1] ? square : product;
    if (slot.valid() && slot != reader) return std::nullopt;
    slot = reader;
  }
  if (!square.valid() || !product.valid()) return std::nullopt;

  chain.take(difference);
  chain.take(square);
  const LayerId variance = chain.next();
  if (innermost_axes(network, variance) != result.axes) return std::nullopt;
  chain.take(variance);
  if (!take_inverse(network, chain, &result.epsilon) || chain.next() != product) {
    return std::nullopt;
  }
  chain.take(product);

  const Shape& shape = network.shape(result.x);
  const auto parameter = [&](ElementwiseKind kind) -> const Tensor* {
    const Tensor* value = chain.next_with_constant(kind);
    if (value == nullptr || !is_parameter(*value, shape, result.axes)) return nullptr;
    chain.take(chain.next());
    return value;
  };
  result.scale = parameter(ElementwiseKind::kMul);
  result.shift = parameter(ElementwiseKind::kAdd);
  result.layers = std::move(chain.layers);
  return result;
}

}  // namespace octile
