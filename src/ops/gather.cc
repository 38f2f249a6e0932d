// Gather: slices of `data` along an axis by index, any type; a negative index counts from the end.
#include <cstring>

#include "ops/indices.h"

namespace octile {
Inferred infer_op(const Gather& op, Infos in) {
  require_inputs(in, {"data", "indices"});
  require_type(in, 1, {DataType::kInt32, DataType::kInt64});
  const Shape& data = in[0].shape;
  const auto axis = static_cast<int>(resolve_axis(op.axis, data.rank(), "axis"));
  const TensorView indices = known(in[1]);
  if (indices.data != nullptr && data[axis] != kDynamic) {
    for (int64_t i = 0; i < indices.shape.volume(); ++i) {
      checked_index(index_at(indices, i), data[axis], axis);
    }
  }
  Shape out;
  for (int a = 0; a < axis; ++a) out.push_back(data[a]);
  for (int64_t extent : in[1].shape) out.push_back(extent);
  for (int a = axis + 1; a < data.rank(); ++a) out.push_back(data[a]);
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const Gather& op, Views in, Outs out) {
  const Shape& data = in[0].shape;
  const auto axis = static_cast<int>(resolve_axis(op.axis, data.rank(), "axis"));
  const auto [outer, extent, inner] = slices_of(data, axis);
  const int64_t run = inner * static_cast<int64_t>(size_of(in[0].type));
  const int64_t count = in[1].shape.volume();
  auto* to = out[0].as<std::byte>();
  for (int64_t o = 0; o < outer; ++o) {
    const auto* from = in[0].as<std::byte>() + o * extent * run;
    for (int64_t i = 0; i < count; ++i, to += run) {
      const int64_t index = checked_index(index_at(in[1], i), extent, axis);
      if (run > 0) std::memcpy(to, from + index * run, static_cast<size_t>(run));
    }
  }
}

}  // namespace octile
