// Quantize and Dequantize by docs/arithmetic.md: static per tensor or per slice of an axis, and
// dynamic with one scale and zero point a sample (int8: symmetric, uint8: affine).
#include "arithmetic/quantize.h"

#include <cmath>

#include "base/parallel_for.h"
#include "ops/families.h"
#include "ops/sum_tile.h"

namespace octile {
namespace {

void require_scales(const std::vector<float>& scale, int64_t axis, const Shape& shape) {
  for (float s : scale) {
    check(std::isfinite(s) && s > 0.0f, ErrorCode::kInvalidArgument,
          "scale {} must be positive and finite", s);
  }
  if (axis == -1) {
    check(scale.size() == 1, ErrorCode::kInvalidArgument,
          "{} scales were given per tensor (axis -1); give one, or name the axis", scale.size());
    return;
  }
  check(axis >= 0 && axis < shape.rank(), ErrorCode::kInvalidArgument,
        "axis {} is not an axis of {}; -1 means per tensor", axis, shape.to_string());
  check(may_equal(static_cast<int64_t>(scale.size()), shape[static_cast<int>(axis)]),
        ErrorCode::kInvalidArgument, "{} scales were given, but axis {} of {} has {} slices",
        scale.size(), axis, shape.to_string(), shape[static_cast<int>(axis)]);
}

void require_integers(const Quantize& op) {
  const bool wide = op.type == DataType::kInt32;
  check(wide || op.type == DataType::kInt8 || op.type == DataType::kUInt8,
        ErrorCode::kInvalidArgument, "cannot quantize to {}; use int8, uint8 or int32",
        name_of(op.type));
  const int64_t least = wide ? INT32_MIN : op.type == DataType::kInt8 ? -128 : 0;
  const int64_t most = wide ? INT32_MAX : op.type == DataType::kInt8 ? 127 : 255;
  check(least <= op.lo && op.lo <= op.hi && op.hi <= most, ErrorCode::kInvalidArgument,
        "lo {} and hi {} must lie in [{}, {}], the range of {}", op.lo, op.hi, least, most,
        name_of(op.type));
  check(op.dynamic || (op.lo <= op.zero_point && op.zero_point <= op.hi),
        ErrorCode::kInvalidArgument, "zero point {} is outside [lo, hi] = [{}, {}]", op.zero_point,
        op.lo, op.hi);
}

template <typename T>
void quantize_run(const float* x, int64_t count, QuantParams params, int32_t lo, int32_t hi, T* q) {
  for (int64_t i = 0; i < count; ++i) {
    q[i] = static_cast<T>(quantize_value(x[i], params.scale, params.zero_point, lo, hi));
  }
}

/// 32-bit results: the same rule with the clamp in binary64, where the ends are exact.
void quantize_run(const float* x, int64_t count, QuantParams params, int32_t lo, int32_t hi,
                  int32_t* q) {
  for (int64_t i = 0; i < count; ++i) {
    double v = static_cast<double>(x[i] / params.scale);
    const double least = static_cast<double>(lo) - params.zero_point;
    const double most = static_cast<double>(hi) - params.zero_point;
    v = v > least ? v : least;
    v = v < most ? v : most;
    q[i] = static_cast<int32_t>(params.zero_point + static_cast<int64_t>(__builtin_rint(v)));
  }
}

/// From the sample's finite values.
QuantParams sample_params(DataType type, const float* x, int64_t count) {
  float least = 0.0f, most = 0.0f;
  for (int64_t i = 0; i < count; ++i) {
    const float v = is_in_range(x[i]) ? x[i] : 0.0f;  // 0 is in the range anyway
    least = v < least ? v : least;
    most = v > most ? v : most;
  }
  return type == DataType::kUInt8 ? affine_params(least, most)
                                  : symmetric_params(-least > most ? -least : most);
}

template <typename T>
void quantize(const Quantize& op, const TensorView& in, Outs out) {
  const Slices s = slices_of(in.shape, op.dynamic ? 0 : op.axis);
  parallel_for(s.count(), grain_for(s.inner * 4), [&](int64_t begin, int64_t end, int) {
    for (int64_t run = begin; run < end; ++run) {
      const float* x = in.as<float>() + run * s.inner;
      QuantParams params{1.0f, op.zero_point};
      if (op.dynamic) {
        params = sample_params(op.type, x, s.inner);
        out[1].as<float>()[run] = params.scale;
        out[2].as<int32_t>()[run] = params.zero_point;
      } else {
        params.scale = op.scale[op.scale.size() == 1 ? 0 : static_cast<size_t>(run % s.slices)];
      }
      quantize_run(x, s.inner, params, op.lo, op.hi, out[0].as<T>() + run * s.inner);
    }
  });
}

template <typename T>
void dequantize(const Dequantize& op, Views in, const MutableTensorView& out) {
  const Slices s = slices_of(in[0].shape, op.dynamic ? 0 : op.axis);
  parallel_for(s.count(), grain_for(s.inner * 4), [&](int64_t begin, int64_t end, int) {
    for (int64_t run = begin; run < end; ++run) {
      QuantParams params{1.0f, op.zero_point};
      if (op.dynamic) {
        params.scale = in[1].as<float>()[run];
        params.zero_point = in.size() > 2 ? in[2].as<int32_t>()[run] : 0;
      } else {
        params.scale = op.scale[op.scale.size() == 1 ? 0 : static_cast<size_t>(run % s.slices)];
      }
      const T* q = in[0].as<T>() + run * s.inner;
      float* y = out.as<float>() + run * s.inner;
      for (int64_t i = 0; i < s.inner; ++i) {
        y[i] = params.scale * static_cast<float>(int64_t{q[i]} - params.zero_point);
      }
    }
  });
}

void require_per_sample(const TensorInfo& info, DataType type, const Shape& x,
                        std::string_view what) {
  check(info.type == type && info.shape.rank() == 1 && may_equal(info.shape[0], x[0]),
        ErrorCode::kInvalidArgument, "the dynamic {} is {} {}, but must be {} ({})", what,
        name_of(info.type), info.shape.to_string(), name_of(type), x[0]);
}

}  // namespace

Inferred infer_op(const Quantize& op, Infos in) {
  require_inputs(in, {"x"});
  require_type(in, 0, {DataType::kFloat32});
  require_integers(op);
  const Shape& x = in[0].shape;
  if (!op.dynamic) {
    require_scales(op.scale, op.axis, x);
    return {{op.type, x, nullptr}};
  }
  check(op.scale.empty() && op.type != DataType::kInt32, ErrorCode::kInvalidArgument,
        "dynamic quantization takes no scale and gives int8 or uint8");
  check(x.rank() >= 1, ErrorCode::kInvalidArgument, "dynamic quantization needs a batch axis");
  return {{op.type, x, nullptr},
          {DataType::kFloat32, Shape{x[0]}, nullptr},
          {DataType::kInt32, Shape{x[0]}, nullptr}};
}

void evaluate_op(const Quantize& op, Views in, Outs out) {
  switch (op.type) {
    case DataType::kInt8: return quantize<int8_t>(op, in[0], out);
    case DataType::kUInt8: return quantize<uint8_t>(op, in[0], out);
    default: return quantize<int32_t>(op, in[0], out);
  }
}

Inferred infer_op(const Dequantize& op, Infos in) {
  if (op.dynamic) {
    require_inputs(in, {"q", "scale", "zero point"}, 1);
  } else {
    require_inputs(in, {"q"});
  }
  require_type(in, 0, {DataType::kInt8, DataType::kUInt8, DataType::kInt32});
  const Shape& q = in[0].shape;
  if (op.dynamic) {
    check(op.scale.empty() && q.rank() >= 1, ErrorCode::kInvalidArgument,
          "a dynamic Dequantize takes its scales as input 1, and needs a batch axis");
    require_per_sample(in[1], DataType::kFloat32, q, "scale");
    if (in.size() > 2) require_per_sample(in[2], DataType::kInt32, q, "zero point");
  } else {
    require_scales(op.scale, op.axis, q);
  }
  return {{DataType::kFloat32, q, nullptr}};
}

void evaluate_op(const Dequantize& op, Views in, Outs out) {
  switch (in[0].type) {
    case DataType::kInt8: return dequantize<int8_t>(op, in, out[0]);
    case DataType::kUInt8: return dequantize<uint8_t>(op, in, out[0]);
    default: return dequantize<int32_t>(op, in, out[0]);
  }
}

}  // namespace octile
