// Values of several iterations side by side (inline.h).
#include <cstring>

#include "formats/onnx/inline.h"

namespace octile {
namespace {

/// All of one type and shape and known at import?
bool are_known(const std::vector<Value>& values) {
  for (const Value& value : values) {
    if (value.tensor || value.second != nullptr) return false;
    if (value.constant->type() != values[0].constant->type()) return false;
    if (!(value.constant->shape() == values[0].constant->shape())) return false;
  }
  return true;
}

/// Axis 0, constants.
Tensor joined(const std::vector<Value>& values) {
  const Tensor& first = *values[0].constant;
  Shape shape{static_cast<int64_t>(values.size())};
  for (const int64_t extent : first.shape()) shape.push_back(extent);
  Tensor result(first.type(), shape);
  for (size_t i = 0; i < values.size() && first.bytes() > 0; ++i) {
    std::memcpy(result.as<std::byte>() + i * first.bytes(), values[i].constant->data(),
                first.bytes());
  }
  return result;
}

/// x with an axis of extent 1 at `axis`: put behind the others, then moved, since a reshape can
/// copy an unknown extent only to its own place.
TensorId with_axis(Node& node, TensorId x, int axis) {
  const int rank = node.network().shape(x).rank();
  Shuffle op;
  op.has_reshape = true;
  op.dims.assign(static_cast<size_t>(rank), 0);
  op.dims.push_back(1);
  for (int a = 0; a < rank; ++a) op.second.push_back(a);
  op.second.insert(op.second.begin() + axis, rank);
  return node.add(std::move(op), {x});
}

}  // namespace

TensorId tensor_of(Node& node, const Value& value) {
  if (value.tensor) return *value.tensor;
  if (value.second != nullptr) {
    node.unsupported("a value is computed from extents that are not known at import");
  }
  return node.add_constant(*value.constant, "value");
}

Value stacked(Node& node, const std::vector<Value>& values, int64_t axis) {
  if (axis == 0 && are_known(values) && values[0].constant->shape().rank() < kMaxRank) {
    node.state().spend(&ImportBudget::made_bytes,
                       static_cast<int64_t>(values.size() * values[0].constant->bytes()));
    return Value::of(joined(values));
  }
  std::vector<TensorId> parts;
  for (const Value& value : values) {
    const TensorId x = tensor_of(node, value);
    const int rank = node.network().shape(x).rank() + 1;
    if (rank > kMaxRank) node.unsupported("its result has more than {} axes", kMaxRank);
    parts.push_back(with_axis(node, x, node.axis(axis, rank)));
  }
  const int rank = node.network().shape(parts[0]).rank();
  return Value::of(node.add(Concatenation{node.axis(axis, rank)}, parts));
}

}  // namespace octile
