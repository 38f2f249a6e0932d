// Unary: one function a kind, computed in binary64 where libm is involved. float32, and float16
// rounded from it; abs, neg and sign also on integers; not on bool; is_inf and is_nan (of float32)
// give bool.
#include <cmath>

#include "base/half.h"
#include "base/parallel_for.h"
#include "ops/families.h"
#include "ops/sum_tile.h"

namespace octile {
namespace {

double apply_double(UnaryKind kind, double x) {
  switch (kind) {
    case UnaryKind::kExp: return std::exp(x);
    case UnaryKind::kLog: return std::log(x);
    case UnaryKind::kSin: return std::sin(x);
    case UnaryKind::kCos: return std::cos(x);
    case UnaryKind::kTan: return std::tan(x);
    case UnaryKind::kSinh: return std::sinh(x);
    case UnaryKind::kCosh: return std::cosh(x);
    case UnaryKind::kAsin: return std::asin(x);
    case UnaryKind::kAcos: return std::acos(x);
    case UnaryKind::kAtan: return std::atan(x);
    case UnaryKind::kAsinh: return std::asinh(x);
    case UnaryKind::kAcosh: return std::acosh(x);
    case UnaryKind::kAtanh: return std::atanh(x);
    case UnaryKind::kErf: return std::erf(x);
    default: fail(ErrorCode::kInternal, "unary {} has no formula", name_of(kind));
  }
}

template <typename T>
void apply_integers(UnaryKind kind, const TensorView& in, const MutableTensorView& out) {
  using Bits = std::make_unsigned_t<T>;  // the least integer wraps instead of overflowing
  const T* x = in.as<T>();
  T* y = out.as<T>();
  const int64_t count = in.shape.volume();
  for (int64_t i = 0; i < count; ++i) {
    const T negated = static_cast<T>(Bits{0} - static_cast<Bits>(x[i]));
    y[i] = kind == UnaryKind::kNeg   ? negated
           : kind == UnaryKind::kAbs ? (x[i] < 0 ? negated : x[i])
                                     : static_cast<T>((x[i] > 0) - (x[i] < 0));
  }
}

bool gives_bool(UnaryKind kind) {
  return kind == UnaryKind::kNot || kind == UnaryKind::kIsInf || kind == UnaryKind::kIsNan;
}

}  // namespace

float apply(UnaryKind kind, float x) {
  switch (kind) {
    case UnaryKind::kSqrt: return std::sqrt(x);
    case UnaryKind::kReciprocal: return 1.0f / x;
    case UnaryKind::kAbs: return std::fabs(x);
    case UnaryKind::kNeg: return -x;
    case UnaryKind::kCeil: return std::ceil(x);
    case UnaryKind::kFloor: return std::floor(x);
    case UnaryKind::kNot: return x == 0.0f ? 1.0f : 0.0f;
    case UnaryKind::kSign: return std::isnan(x) ? x : static_cast<float>((x > 0) - (x < 0));
    case UnaryKind::kRound: return __builtin_rintf(x);
    case UnaryKind::kIsInf: return std::isinf(x) ? 1.0f : 0.0f;
    case UnaryKind::kIsNan: return std::isnan(x) ? 1.0f : 0.0f;
    default: return static_cast<float>(apply_double(kind, x));
  }
}

Inferred infer_op(const Unary& op, Infos in) {
  require_inputs(in, {"x"});
  switch (op.kind) {
    case UnaryKind::kNot: require_type(in, 0, {DataType::kBool}); break;
    case UnaryKind::kAbs:
    case UnaryKind::kNeg:
    case UnaryKind::kSign:
      require_type(in, 0,
                   {DataType::kFloat32, DataType::kFloat16, DataType::kInt32, DataType::kInt64});
      break;
    case UnaryKind::kIsInf:
    case UnaryKind::kIsNan: require_type(in, 0, {DataType::kFloat32}); break;
    default: require_type(in, 0, {DataType::kFloat32, DataType::kFloat16});
  }
  return {{gives_bool(op.kind) ? DataType::kBool : in[0].type, in[0].shape, nullptr}};
}

void evaluate_op(const Unary& op, Views in, Outs out) {
  const int64_t count = in[0].shape.volume();
  if (in[0].type == DataType::kInt32) return apply_integers<int32_t>(op.kind, in[0], out[0]);
  if (in[0].type == DataType::kInt64) return apply_integers<int64_t>(op.kind, in[0], out[0]);
  if (op.kind == UnaryKind::kNot) {
    for (int64_t i = 0; i < count; ++i) out[0].as<uint8_t>()[i] = in[0].as<uint8_t>()[i] == 0;
    return;
  }
  if (in[0].type == DataType::kFloat16) {
    parallel_for(count, grain_for(8), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const float x = half_to_float(in[0].as<uint16_t>()[i]);
        out[0].as<uint16_t>()[i] = float_to_half(apply(op.kind, x));
      }
    });
    return;
  }
  const float* x = in[0].as<float>();
  if (gives_bool(op.kind)) {
    for (int64_t i = 0; i < count; ++i) out[0].as<uint8_t>()[i] = apply(op.kind, x[i]) != 0.0f;
    return;
  }
  parallel_for(count, grain_for(8), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) out[0].as<float>()[i] = apply(op.kind, x[i]);
  });
}

}  // namespace octile
