// See given.h.
#include "formats/onnx/given.h"

#include <algorithm>

#include "base/convert.h"
#include "base/error.h"
#include "formats/onnx/tensor_proto.h"

namespace octile {
namespace {

/// The declared shape, with `value`'s extents where the file leaves them open.
Shape declared_shape(const Tensor& value, const onnx::TypeProto_Tensor& type,
                     const std::string& place) {
  if (!type.has_shape()) return value.shape();
  const auto& dims = type.shape().dim();
  std::string shown;
  bool open = false;
  Shape fixed;
  for (const auto& dim : dims) {
    const bool known = dim.has_dim_value() && dim.dim_value() > 0;
    open = open || !known;
    shown += fmt::format("{}{}", shown.empty() ? "" : ", ",
                         known ? fmt::format("{}", dim.dim_value()) : "?");
    if (dims.size() <= kMaxRank) fixed.push_back(known ? dim.dim_value() : kDynamic);
  }
  bool fits = value.shape().rank() == dims.size();
  for (int axis = 0; fits && axis < fixed.rank(); ++axis) {
    fits = fixed[axis] == kDynamic || fixed[axis] == value.shape()[axis];
  }
  if (fits) return value.shape();
  const bool list = value.shape().rank() == 1 && dims.size() <= kMaxRank && !open;
  check(list && fixed.volume() == value.volume(), ErrorCode::kInvalidArgument,
        "{} has shape {}, but the model declares ({})", place, value.shape().to_string(), shown);
  return fixed;
}

/// Reals are rounded to the type of the network; nothing else may change.
bool survives(const Tensor& value, const Tensor& converted) {
  return (is_real(value.type()) && is_real(converted.type())) ||
         converted.cast(value.type()) == value;
}

}  // namespace

void check_given_names(const std::map<std::string, Tensor>& given, const onnx::GraphProto& graph,
                       const std::string& origin) {
  for (const auto& entry : given) {
    const std::string& name = entry.first;
    const bool known = std::any_of(graph.input().begin(), graph.input().end(),
                                   [&](const auto& input) { return input.name() == name; });
    if (known) continue;
    std::string list;
    for (const auto& input : graph.input()) {
      list += fmt::format("{}'{}'", list.empty() ? "" : ", ", input.name());
    }
    fail(ErrorCode::kInvalidArgument,
         "{}: a constant was given for '{}', but the model's inputs are: {}", origin, name,
         list.empty() ? "none" : list);
  }
}

std::shared_ptr<const std::unordered_map<std::string, int>> declared_types(
    const onnx::GraphProto& graph) {
  auto types = std::make_shared<std::unordered_map<std::string, int>>();
  for (const auto* list : {&graph.input(), &graph.value_info()}) {
    for (const auto& info : *list) {
      if (info.type().has_tensor_type()) {
        types->emplace(info.name(), info.type().tensor_type().elem_type());
      }
    }
  }
  for (const auto& tensor : graph.initializer()) types->emplace(tensor.name(), tensor.data_type());
  return types;
}

Tensor as_declared(const Tensor& value, const onnx::ValueInfoProto& input,
                   const std::string& origin) {
  const std::string place = fmt::format("{}: the constant given for '{}'", origin, input.name());
  check(input.type().has_tensor_type(), ErrorCode::kUnsupported,
        "{}: input '{}' is no tensor, so it takes no constant", origin, input.name());
  const auto& declared = input.type().tensor_type();
  const auto type = network_type(declared.elem_type());
  check(type.has_value(), ErrorCode::kUnsupported, "{}: input '{}' is {}, which Octile lacks",
        origin, input.name(), onnx_type_name(declared.elem_type()));
  const Shape shape = declared_shape(value, declared, place);
  const Tensor converted = value.cast(*type);
  check(value.volume() == 0 || survives(value, converted), ErrorCode::kInvalidArgument,
        "{} is {}, but the model declares {} and not every value fits", place,
        name_of(value.type()), onnx_type_name(declared.elem_type()));
  return converted.reshaped(shape);
}

}  // namespace octile
