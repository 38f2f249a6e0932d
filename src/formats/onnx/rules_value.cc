// Operators whose result is known at import: constants, and shapes.
#include <cmath>

#include "formats/onnx/rules.h"
#include "formats/onnx/tensor_proto.h"

namespace octile {
namespace {

/// Extents [start, end) of x, by layers.
TensorId extents_of(ImportState& state, TensorId x, int64_t start, int64_t end,
                    const std::string& name) {
  Network& network = state.network;
  const TensorId all = network.output(network.add(ShapeOf{}, {x}, state.free_layer_name(name)));
  if (start == 0 && end == network.shape(x).rank()) return all;
  return network.output(network.add(Slice{{0}, {start}, {end - start}, {}}, {all},
                                    state.free_layer_name(name + ".part")));
}

/// Extent of an axis of input 0 as a probe sees it.
int64_t probed(Node& node, int axis, int which) {
  const int64_t extent = node.shape(0)[axis];
  return extent != kDynamic ? extent : node.state().extents.probe(node.symbol(0, axis), which);
}

Tensor filled(const Shape& shape, const Tensor& value) {
  Tensor result(value.type(), shape);
  const size_t size = size_of(value.type());
  for (int64_t i = 0; i < result.volume(); ++i) {
    std::memcpy(result.as<std::byte>() + static_cast<size_t>(i) * size, value.data(), size);
  }
  return result;
}

/// start, start + delta, … below (or above) limit.
template <typename T>
Tensor range(Node& node, T start, T limit, T delta) {
  const double steps = std::ceil((static_cast<double>(limit) - static_cast<double>(start)) /
                                 static_cast<double>(delta));
  node.require(delta != T{0} && steps <= static_cast<double>(kMostMadeElements),
               "it counts from {} to {} by {}", start, limit, delta);
  const int64_t count = steps > 0.0 ? static_cast<int64_t>(steps) : 0;
  Tensor result(DataTypeOf<T>::value, Shape{count});
  T next = start;
  for (int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      result.as<T>()[i] = start + static_cast<T>(i) * delta;
    } else {
      result.as<T>()[i] = next;
      if (i + 1 < count) next = static_cast<T>(next + delta);
    }
  }
  return result;
}

}  // namespace

void import_constant(Node& node) {
  if (const auto* value = node.attribute("value"); value != nullptr && value->has_t()) {
    Tensor given = read_tensor(value->t(), node.state().folder);
    node.state().grow_budget(given);
    return node.output(0, Value::of(std::move(given)));
  }
  if (const auto* value = node.attribute("value_float"); value != nullptr) {
    return node.output(0, Value::of(Tensor::scalar(value->f())));
  }
  if (const auto* value = node.attribute("value_int"); value != nullptr) {
    return node.output(0, Value::of(Tensor::int64s({value->i()}).reshaped(Shape{})));
  }
  if (node.has_attribute("value_floats")) {
    const std::vector<float> values = node.numbers("value_floats");
    return node.output(
        0, Value::of(Tensor::floats(Shape{static_cast<int64_t>(values.size())}, values)));
  }
  if (node.has_attribute("value_ints")) {
    return node.output(0, Value::of(Tensor::int64s(node.integers("value_ints"))));
  }
  node.unsupported("its value is sparse, a string, or missing");
}

void import_constant_of_shape(Node& node) {
  Tensor value = Tensor::scalar(0.0f);
  if (const auto* given = node.attribute("value"); given != nullptr) {
    value = read_tensor(given->t(), node.state().folder);
    node.require(value.volume() == 1, "attribute 'value' must have one element");
  }
  if (node.known(0) == nullptr && node.at_run_time(0)) {
    const TensorId one = node.add_constant(value.reshaped(Shape{}), "value");
    return node.output(node.add(Expand{}, {one, node.run_time_list(0)}));
  }
  Shape shape;
  for (const int64_t extent : node.integers(0, "shape")) {
    node.require(extent >= 0 && extent <= kMostMadeElements, "its shape has the extent {}", extent);
    shape.push_back(extent);
  }
  node.require(shape.volume() <= kMostMadeElements, "its shape {} is too large", shape.to_string());
  node.output(0, Value::of(filled(shape, value)));
}

void import_range(Node& node) {
  for (int i = 0; i < 3; ++i) {
    if (node.known(i) != nullptr || !node.at_run_time(i)) continue;
    return node.output(node.add(Counting{}, {node.in(0), node.in(1), node.in(2)}));
  }
  const Tensor &start = node.constant(0, "start"), &limit = node.constant(1, "limit"),
               &delta = node.constant(2, "delta");
  node.require(start.volume() == 1 && limit.volume() == 1 && delta.volume() == 1 &&
                   start.type() == limit.type() && start.type() == delta.type(),
               "start, limit and delta must be numbers of one type");
  const auto made = [&]<typename T>(T) {
    node.output(0, Value::of(range<T>(node, *start.as<T>(), *limit.as<T>(), *delta.as<T>())));
  };
  if (start.type() == DataType::kFloat32) return made(float{});
  if (start.type() == DataType::kInt64) return made(int64_t{});
  if (start.type() == DataType::kInt32) return made(int32_t{});
  node.unsupported("it counts in {}", name_of(start.type()));
}

void import_shape(Node& node) {
  const int rank = node.rank(0);
  const auto bound = [&](int64_t axis) {
    return static_cast<int>(std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank));
  };
  const int start = bound(node.any_integer("start", 0)), end = bound(node.any_integer("end", rank));
  std::vector<int64_t> first, second;
  for (int axis = start; axis < end; ++axis) {
    first.push_back(probed(node, axis, 0));
    second.push_back(probed(node, axis, 1));
  }
  Value value = Value::of(Tensor::int64s(first));
  if (first != second) {
    value.second = std::make_shared<Tensor>(Tensor::int64s(second));
    value.maker = std::make_shared<const Value::Maker>(
        [x = node.in(0), start, end, name = node.name()](ImportState& state) {
          return extents_of(state, x, start, std::max(start, end), name);
        });
  }
  node.output(0, std::move(value));
}

void import_size(Node& node) {
  std::vector<int64_t> sizes{1, 1};
  for (int axis = 0; axis < node.rank(0); ++axis) {
    for (int which = 0; which < 2; ++which) {
      int64_t& size = sizes[static_cast<size_t>(which)];
      node.require(!__builtin_mul_overflow(size, probed(node, axis, which), &size),
                   "its input has too many elements");
    }
  }
  Value value = Value::of(Tensor::int64s({sizes[0]}).reshaped(Shape{}));
  if (sizes[0] != sizes[1]) {
    value.second = std::make_shared<Tensor>(Tensor::int64s({sizes[1]}).reshaped(Shape{}));
    value.maker = std::make_shared<const Value::Maker>(
        [x = node.in(0), name = node.name()](ImportState& state) {
          const TensorId all = extents_of(state, x, 0, state.network.shape(x).rank(), name);
          return state.network.reduce(all, {ReduceKind::kProd, {0}, false},
                                      state.free_layer_name(name + ".product"));
        });
  }
  node.output(0, std::move(value));
}

}  // namespace octile
