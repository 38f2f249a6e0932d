// Elementwise: NumPy broadcasting, one loop a kind. float32, int32, int64; equal, and, or, xor on
// bool. Integers wrap; integer x / 0 is 0; div truncates, floor_div rounds down, mod takes the
// divisor's sign on integers and is C's fmod on floats (ONNX). min and max let NaN through.
#include <cmath>
#include <functional>
#include <type_traits>

#include "base/parallel_for.h"
#include "ops/families.h"
#include "ops/rows.h"
#include "ops/sum_tile.h"

namespace octile {
namespace {

template <typename T>
using Wrapping = std::conditional_t<std::is_same_v<T, int64_t>, uint64_t, uint32_t>;

template <typename T, typename F>
T wrap(T a, T b, F f) {
  return static_cast<T>(f(static_cast<Wrapping<T>>(a), static_cast<Wrapping<T>>(b)));
}

template <typename T>
T divide(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a / b;
  } else {
    if (b == 0) return 0;
    return b == -1 ? wrap<T>(0, a, std::minus<>()) : a / b;
  }
}

template <typename T>
T floor_divide(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::floor(a / b);
  } else {
    const T quotient = divide(a, b);
    if (b == 0 || b == -1 || a % b == 0) return quotient;
    return quotient - ((a < 0) != (b < 0));
  }
}

template <typename T>
T modulo(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fmod(a, b);
  } else {
    if (b == 0 || b == -1) return 0;
    const T rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
}

template <typename T>
T power(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(std::pow(static_cast<double>(a), static_cast<double>(b)));
  } else {
    if (b < 0) return a == 1 || (a == -1 && b % 2 == 0) ? 1 : a == -1 ? -1 : 0;
    T result = 1;
    for (; b > 0; b /= 2, a = wrap(a, a, std::multiplies<>())) {
      if (b % 2 != 0) result = wrap(result, a, std::multiplies<>());
    }
    return result;
  }
}

template <typename T>
T add(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a + b;
  } else {
    return wrap(a, b, std::plus<>());
  }
}
template <typename T>
T subtract(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a - b;
  } else {
    return wrap(a, b, std::minus<>());
  }
}
template <typename T>
T multiply(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a * b;
  } else {
    return wrap(a, b, std::multiplies<>());
  }
}

/// Inner extents and steps of one row; f is inlined into a loop of its own.
template <typename T, typename R, typename F>
void loop(const Rows& rows, const std::array<Strides, 2>& strides, Views in,
          const MutableTensorView& out, F f) {
  const T *a = in[0].as<T>(), *b = in[1].as<T>();
  R* y = out.as<R>();
  const int64_t length = rows.length(), step_a = rows.step(strides[0]),
                step_b = rows.step(strides[1]);
  parallel_for(rows.count(), grain_for(length * 4), [&](int64_t begin, int64_t end, int) {
    for_rows(rows, strides, begin, end, [&](int64_t row, const std::array<int64_t, 2>& at) {
      R* to = y + row * length;
      const T *from_a = a + at[0], *from_b = b + at[1];
      if (step_a == 1 && step_b == 1) {
        for (int64_t i = 0; i < length; ++i) to[i] = static_cast<R>(f(from_a[i], from_b[i]));
      } else {
        for (int64_t i = 0; i < length; ++i) {
          to[i] = static_cast<R>(f(from_a[i * step_a], from_b[i * step_b]));
        }
      }
    });
  });
}

template <typename T>
void arithmetic(ElementwiseKind kind, Views in, const MutableTensorView& out) {
  const Rows rows{out.shape};
  const std::array<Strides, 2> strides{broadcast_strides(in[0].shape, out.shape),
                                       broadcast_strides(in[1].shape, out.shape)};
  const auto run = [&](auto f) { loop<T, T>(rows, strides, in, out, f); };
  const auto compare = [&](auto f) { loop<T, uint8_t>(rows, strides, in, out, f); };
  switch (kind) {
    case ElementwiseKind::kAdd: return run([](T a, T b) { return add(a, b); });
    case ElementwiseKind::kSub: return run([](T a, T b) { return subtract(a, b); });
    case ElementwiseKind::kMul: return run([](T a, T b) { return multiply(a, b); });
    case ElementwiseKind::kDiv: return run([](T a, T b) { return divide(a, b); });
    case ElementwiseKind::kMin: return run([](T a, T b) { return a < b || is_nan(a) ? a : b; });
    case ElementwiseKind::kMax: return run([](T a, T b) { return a > b || is_nan(a) ? a : b; });
    case ElementwiseKind::kPow: return run([](T a, T b) { return power(a, b); });
    case ElementwiseKind::kFloorDiv: return run([](T a, T b) { return floor_divide(a, b); });
    case ElementwiseKind::kMod: return run([](T a, T b) { return modulo(a, b); });
    case ElementwiseKind::kEqual: return compare([](T a, T b) { return a == b; });
    case ElementwiseKind::kGreater: return compare([](T a, T b) { return a > b; });
    case ElementwiseKind::kLess: return compare([](T a, T b) { return a < b; });
    case ElementwiseKind::kAnd:
    case ElementwiseKind::kOr:
    case ElementwiseKind::kXor: break;
  }
  fail(ErrorCode::kInternal, "elementwise {} on numbers", name_of(kind));
}

void logic(ElementwiseKind kind, Views in, const MutableTensorView& out) {
  const Rows rows{out.shape};
  const std::array<Strides, 2> strides{broadcast_strides(in[0].shape, out.shape),
                                       broadcast_strides(in[1].shape, out.shape)};
  const auto run = [&](auto f) { loop<uint8_t, uint8_t>(rows, strides, in, out, f); };
  switch (kind) {
    case ElementwiseKind::kAnd: return run([](uint8_t a, uint8_t b) { return a != 0 && b != 0; });
    case ElementwiseKind::kOr: return run([](uint8_t a, uint8_t b) { return a != 0 || b != 0; });
    case ElementwiseKind::kXor: return run([](uint8_t a, uint8_t b) { return !a != !b; });
    case ElementwiseKind::kEqual: return run([](uint8_t a, uint8_t b) { return !a == !b; });
    default: fail(ErrorCode::kInternal, "elementwise {} on bool", name_of(kind));
  }
}

}  // namespace

Inferred infer_op(const Elementwise& op, Infos in) {
  require_inputs(in, {"a", "b"});
  require_same_types(in);
  const auto numbers = {DataType::kFloat32, DataType::kInt32, DataType::kInt64};
  const bool logical = op.kind == ElementwiseKind::kAnd || op.kind == ElementwiseKind::kOr ||
                       op.kind == ElementwiseKind::kXor;
  const bool equal = op.kind == ElementwiseKind::kEqual;
  if (logical) {
    require_type(in, 0, {DataType::kBool});
  } else if (equal) {
    require_type(in, 0, {DataType::kFloat32, DataType::kInt32, DataType::kInt64, DataType::kBool});
  } else {
    require_type(in, 0, numbers);
  }
  const bool compares =
      equal || op.kind == ElementwiseKind::kGreater || op.kind == ElementwiseKind::kLess;
  return {{compares || logical ? DataType::kBool : in[0].type, broadcast(in[0].shape, in[1].shape),
           nullptr}};
}

void evaluate_op(const Elementwise& op, Views in, Outs out) {
  switch (in[0].type) {
    case DataType::kFloat32: return arithmetic<float>(op.kind, in, out[0]);
    case DataType::kInt32: return arithmetic<int32_t>(op.kind, in, out[0]);
    case DataType::kInt64: return arithmetic<int64_t>(op.kind, in, out[0]);
    case DataType::kBool: return logic(op.kind, in, out[0]);
    default: fail(ErrorCode::kInternal, "elementwise on {}", name_of(in[0].type));
  }
}

}  // namespace octile
