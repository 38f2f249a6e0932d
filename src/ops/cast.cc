// Cast between any two types, as Tensor::cast: float to integer truncates and saturates, NaN gives
// 0; integer to integer saturates; anything to bool is "not zero". Also Identity and Constant.
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/half.h"
#include "ops/families.h"

namespace octile {
namespace {

/// Element types whose bits are not a C++ number.
struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};
struct Bool {
  uint8_t bits;
};

template <typename T>
auto number(T value) {
  return value;
}
float number(Half value) { return half_to_float(value.bits); }
float number(BFloat value) { return bfloat16_to_float(value.bits); }
int32_t number(Bool value) { return value.bits != 0; }

template <typename To, typename From>
To to_integer(From value) {
  if constexpr (std::is_floating_point_v<From>) {
    if (std::isnan(value)) return 0;
    if (static_cast<double>(value) <= static_cast<double>(std::numeric_limits<To>::min())) {
      return std::numeric_limits<To>::min();
    }
    if (static_cast<double>(value) >= static_cast<double>(std::numeric_limits<To>::max())) {
      return std::numeric_limits<To>::max();
    }
    return static_cast<To>(value);
  } else {
    const auto wide = static_cast<int64_t>(value);
    if (wide < static_cast<int64_t>(std::numeric_limits<To>::min())) {
      return std::numeric_limits<To>::min();
    }
    if (wide > static_cast<int64_t>(std::numeric_limits<To>::max())) {
      return std::numeric_limits<To>::max();
    }
    return static_cast<To>(wide);
  }
}

template <typename To, typename From>
To convert(From value) {
  if constexpr (std::is_same_v<To, Half>) {
    return {float_to_half(static_cast<float>(value))};
  } else if constexpr (std::is_same_v<To, BFloat>) {
    return {float_to_bfloat16(static_cast<float>(value))};
  } else if constexpr (std::is_same_v<To, Bool>) {
    return {static_cast<uint8_t>(value != 0)};
  } else if constexpr (std::is_floating_point_v<To>) {
    return static_cast<To>(value);
  } else {
    return to_integer<To>(value);
  }
}

template <typename F>
void by_type(DataType type, F&& f) {
  switch (type) {
    case DataType::kFloat32: return f(float{});
    case DataType::kFloat64: return f(double{});
    case DataType::kFloat16: return f(Half{});
    case DataType::kBFloat16: return f(BFloat{});
    case DataType::kInt8: return f(int8_t{});
    case DataType::kUInt8: return f(uint8_t{});
    case DataType::kInt16: return f(int16_t{});
    case DataType::kInt32: return f(int32_t{});
    case DataType::kInt64: return f(int64_t{});
    case DataType::kBool: return f(Bool{});
  }
}

void copy(const TensorView& in, const MutableTensorView& out) {
  if (in.bytes() > 0) std::memcpy(out.data, in.data, in.bytes());
}

}  // namespace

Inferred infer_op(const Cast& op, Infos in) {
  require_inputs(in, {"x"});
  size_of(op.type);  // refuses what is no type
  return {{op.type, in[0].shape, nullptr}};
}

void evaluate_op(const Cast& op, Views in, Outs out) {
  if (in[0].type == op.type) return copy(in[0], out[0]);
  by_type(in[0].type, [&](auto from) {
    by_type(op.type, [&](auto to) {
      const auto* x = in[0].as<decltype(from)>();
      auto* y = out[0].as<decltype(to)>();
      const int64_t count = in[0].shape.volume();
      for (int64_t i = 0; i < count; ++i) y[i] = convert<decltype(to)>(number(x[i]));
    });
  });
}

Inferred infer_op(const Identity&, Infos in) {
  require_inputs(in, {"x"});
  return {{in[0].type, in[0].shape, nullptr}};
}

void evaluate_op(const Identity&, Views in, Outs out) { copy(in[0], out[0]); }

Inferred infer_op(const Constant&, Infos) {
  fail(ErrorCode::kInvalidArgument, "a Constant has no shape rule; add it by Network::constant()");
}

void evaluate_op(const Constant&, Views, Outs) {
  fail(ErrorCode::kInternal, "a Constant has nothing to compute; the network keeps its value");
}

}  // namespace octile
