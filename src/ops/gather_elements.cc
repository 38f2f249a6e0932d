// GatherElements and GatherNd: elements, or slices, of `data` by index, any type.
#include <cstring>

#include "ops/indices.h"

namespace octile {

int require_element_indices(int64_t axis, const Shape& data, const Shape& indices) {
  check(indices.rank() == data.rank(), ErrorCode::kInvalidArgument,
        "data {} and indices {} must have the same rank", data.to_string(), indices.to_string());
  const auto resolved = static_cast<int>(resolve_axis(axis, data.rank(), "axis"));
  for (int a = 0; a < data.rank(); ++a) {
    check(a == resolved || data[a] == kDynamic || indices[a] == kDynamic || indices[a] <= data[a],
          ErrorCode::kInvalidArgument, "on axis {} indices {} reach beyond data {}", a,
          indices.to_string(), data.to_string());
  }
  return resolved;
}

Inferred infer_op(const GatherElements& op, Infos in) {
  require_inputs(in, {"data", "indices"});
  require_type(in, 1, {DataType::kInt32, DataType::kInt64});
  require_element_indices(op.axis, in[0].shape, in[1].shape);
  return {{in[0].type, in[1].shape, nullptr}};
}

void evaluate_op(const GatherElements& op, Views in, Outs out) {
  const int axis = require_element_indices(op.axis, in[0].shape, in[1].shape);
  by_size(in[0].type, [&](auto tag) {
    using T = decltype(tag);
    const T* from = in[0].as<T>();
    T* to = out[0].as<T>();
    for_element_indices(in[1], in[0].shape, axis,
                        [&](int64_t i, int64_t offset) { to[i] = from[offset]; });
  });
}

Inferred infer_op(const GatherNd& op, Infos in) {
  require_inputs(in, {"data", "indices"});
  require_type(in, 1, {DataType::kInt32, DataType::kInt64});
  const Shape &data = in[0].shape, &indices = in[1].shape;
  const int list = indices.rank() - 1;
  check(list >= 0 && op.batch_dims >= 0 && op.batch_dims <= list, ErrorCode::kInvalidArgument,
        "indices {} need {} batch axes and one more", indices.to_string(), op.batch_dims);
  const int64_t depth = indices[list];
  check(depth != kDynamic, ErrorCode::kUnsupported,
        "the last axis of indices {} must have a fixed extent", indices.to_string());
  check(depth <= data.rank() - op.batch_dims, ErrorCode::kInvalidArgument,
        "indices {} name {} axes behind {} batch axes, but data is {}", indices.to_string(), depth,
        op.batch_dims, data.to_string());
  Shape out;
  for (int a = 0; a < list; ++a) {
    check(a >= op.batch_dims || may_equal(data[a], indices[a]), ErrorCode::kInvalidArgument,
          "data {} and indices {} differ on batch axis {}", data.to_string(), indices.to_string(),
          a);
    out.push_back(indices[a]);
  }
  for (int a = static_cast<int>(op.batch_dims + depth); a < data.rank(); ++a) {
    out.push_back(data[a]);
  }
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const GatherNd& op, Views in, Outs out) {
  const Shape &data = in[0].shape, &indices = in[1].shape;
  const auto first = static_cast<int>(op.batch_dims);
  const SliceFinder finder{in[1], data, first};
  const auto size = static_cast<int64_t>(size_of(in[0].type));
  int64_t batches = 1, batch_volume = 1, rows = 1;
  for (int a = 0; a < first; ++a) batches *= indices[a];
  for (int a = first; a < data.rank(); ++a) batch_volume *= data[a];
  for (int a = first; a < indices.rank() - 1; ++a) rows *= indices[a];
  const int64_t bytes = finder.run() * size;
  const auto* from = in[0].as<std::byte>();
  auto* to = out[0].as<std::byte>();
  for (int64_t row = 0; row < batches * rows; ++row, to += bytes) {
    const int64_t offset = row / rows * batch_volume + finder.offset(row);
    if (bytes > 0) std::memcpy(to, from + offset * size, static_cast<size_t>(bytes));
  }
}

}  // namespace octile
