// Concatenation along an axis: copies of runs of bytes, any type.
#include <cstring>

#include "ops/families.h"

namespace octile {

Inferred infer_op(const Concatenation& op, Infos in) {
  check(!in.empty(), ErrorCode::kInvalidArgument, "needs at least one input");
  require_same_types(in);
  Shape out = in[0].shape;
  const auto axis = static_cast<int>(resolve_axis(op.axis, out.rank(), "axis"));
  for (size_t i = 1; i < in.size(); ++i) {
    const Shape& shape = in[i].shape;
    bool fits = shape.rank() == out.rank();
    for (int a = 0; fits && a < out.rank(); ++a) {
      fits = a == axis || may_equal(shape[a], out[a]);
      if (a != axis && out[a] == kDynamic) out[a] = shape[a];
    }
    check(fits, ErrorCode::kInvalidArgument,
          "input 0 has shape {} and input {} has {}; all axes but axis {} must be equal",
          in[0].shape.to_string(), i, shape.to_string(), axis);
    const bool known = out[axis] != kDynamic && shape[axis] != kDynamic;
    out[axis] = known ? out[axis] + shape[axis] : kDynamic;
  }
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const Concatenation& op, Views in, Outs out) {
  const Shape& shape = out[0].shape;
  const auto axis = static_cast<int>(resolve_axis(op.axis, shape.rank(), "axis"));
  const Slices slices = slices_of(shape, axis);
  const int64_t outer = slices.outer;
  const int64_t inner = slices.inner * static_cast<int64_t>(size_of(out[0].type));
  const int64_t out_run = slices.slices * inner;
  auto* to = out[0].as<std::byte>();
  for (const TensorView& x : in) {
    const int64_t run = x.shape[axis] * inner;
    const auto* from = x.as<std::byte>();
    for (int64_t o = 0; o < outer && run > 0; ++o) {
      std::memcpy(to + o * out_run, from + o * run, static_cast<size_t>(run));
    }
    to += run;
  }
}

}  // namespace octile
