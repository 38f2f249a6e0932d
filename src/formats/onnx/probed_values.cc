// See probed_values.h.
#include "formats/onnx/probed_values.h"

#include <algorithm>

#include "ops/ops.h"

namespace octile {
namespace {

/// Lists of extents are short; whatever is longer is data.
constexpr int64_t kMostElements = 256;

/// What tells the smaller of two sizes is not among them: probes are large (extents.h).
struct Computes {
  bool operator()(const Slice&) const { return true; }
  bool operator()(const Gather&) const { return true; }
  bool operator()(const Concatenation&) const { return true; }
  bool operator()(const Shuffle&) const { return true; }
  bool operator()(const Cast&) const { return true; }
  bool operator()(const Identity&) const { return true; }
  bool operator()(const Elementwise& op) const {
    return op.kind == ElementwiseKind::kAdd || op.kind == ElementwiseKind::kSub ||
           op.kind == ElementwiseKind::kMul || op.kind == ElementwiseKind::kDiv ||
           op.kind == ElementwiseKind::kFloorDiv || op.kind == ElementwiseKind::kMod;
  }
  bool operator()(const Unary& op) const {
    return op.kind == UnaryKind::kFloor || op.kind == UnaryKind::kCeil ||
           op.kind == UnaryKind::kNeg;
  }
  bool operator()(const Reduce& op) const {
    return op.kind == ReduceKind::kSum || op.kind == ReduceKind::kProd;
  }
  template <typename T>
  bool operator()(const T&) const {
    return false;
  }
};

/// The extents of x as a probe sees them.
Tensor probed_shape(const Network& network, TensorId x, const Extents& extents, int which) {
  std::vector<int64_t> list;
  const Shape& shape = network.shape(x);
  for (int axis = 0; axis < shape.rank(); ++axis) {
    list.push_back(shape[axis] != kDynamic ? shape[axis]
                                           : extents.probe(extents.at(x, axis), which));
  }
  return Tensor::int64s(list);
}

}  // namespace

void ProbedValues::follow(const Network& network, LayerId layer, const Extents& extents) {
  const Op& op = network.op(layer);
  const TensorId out = network.output(layer);
  const Shape& shape = network.shape(out);
  if (!shape.is_static() || shape.volume() > kMostElements) return;
  if (const Tensor* value = network.constant_value(out)) {
    values_[out.index] = {*value, *value};
    return;
  }
  const std::vector<TensorId>& inputs = network.inputs(layer);
  if (std::holds_alternative<ShapeOf>(op)) {
    values_[out.index] = {probed_shape(network, inputs[0], extents, 0),
                          probed_shape(network, inputs[0], extents, 1)};
    return;
  }
  const bool known =
      std::all_of(inputs.begin(), inputs.end(), [&](TensorId id) { return find(id) != nullptr; });
  if (!known || inputs.empty() || !std::visit(Computes{}, op)) return;
  Pair pair;
  try {
    for (const size_t which : {0u, 1u}) {
      std::vector<TensorView> views;
      for (const TensorId id : inputs) views.push_back((*find(id))[which].view());
      pair[which] = std::move(evaluate(op, views)[0]);
    }
  } catch (const Error&) {
    return;  // whoever runs the network will hear of it
  }
  values_[out.index] = std::move(pair);
}

const ProbedValues::Pair* ProbedValues::find(TensorId tensor) const {
  const auto found = values_.find(tensor.index);
  return found == values_.end() ? nullptr : &found->second;
}

}  // namespace octile
