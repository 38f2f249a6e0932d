// CumulativeSum: running sums along an axis; floats are summed in binary64.
#include "ops/families.h"

namespace octile {
namespace {

template <typename T, typename Wide>
void cumulative_sum(const CumulativeSum& op, const TensorView& in, const MutableTensorView& out) {
  const Shape& shape = in.shape;
  const auto axis = static_cast<int>(resolve_axis(op.axis, shape.rank(), "axis"));
  const auto [outer, extent, stride] = slices_of(shape, axis);
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t s = 0; s < stride; ++s) {
      const T* x = in.as<T>() + o * extent * stride + s;
      T* y = out.as<T>() + o * extent * stride + s;
      Wide sum{};
      for (int64_t i = 0; i < extent; ++i) {
        const int64_t at = (op.reverse ? extent - 1 - i : i) * stride;
        const Wide next = sum + static_cast<Wide>(x[at]);
        y[at] = static_cast<T>(op.exclusive ? sum : next);
        sum = next;
      }
    }
  }
}

}  // namespace

Inferred infer_op(const CumulativeSum& op, Infos in) {
  require_inputs(in, {"x"});
  require_type(in, 0, {DataType::kFloat32, DataType::kInt32, DataType::kInt64});
  resolve_axis(op.axis, in[0].shape.rank(), "axis");
  return {{in[0].type, in[0].shape, nullptr}};
}

/// Integers are summed as uint64_t: they wrap around.
void evaluate_op(const CumulativeSum& op, Views in, Outs out) {
  switch (in[0].type) {
    case DataType::kInt32: return cumulative_sum<int32_t, uint64_t>(op, in[0], out[0]);
    case DataType::kInt64: return cumulative_sum<int64_t, uint64_t>(op, in[0], out[0]);
    default: return cumulative_sum<float, double>(op, in[0], out[0]);
  }
}

}  // namespace octile
