// ScatterElements and ScatterNd: data with elements, or slices, updated by index, one after the
// other in row-major order: of two updates of the same place the later stays (no reduction).
#include <cstring>

#include "ops/indices.h"

namespace octile {
namespace {

/// Integers wrap around.
template <typename T>
T combined(ScatterReduction reduction, T old, T update) {
  const auto keep_if = [&](bool old_wins) { return old_wins || is_nan(old) ? old : update; };
  switch (reduction) {
    case ScatterReduction::kNone: return update;
    case ScatterReduction::kMin: return keep_if(old < update);
    case ScatterReduction::kMax: return keep_if(old > update);
    case ScatterReduction::kAdd:
    case ScatterReduction::kMul: break;
  }
  const bool adds = reduction == ScatterReduction::kAdd;
  if constexpr (std::is_floating_point_v<T>) {
    return adds ? old + update : old * update;
  } else {
    const auto a = static_cast<uint64_t>(old), b = static_cast<uint64_t>(update);
    return static_cast<T>(adds ? a + b : a * b);
  }
}

/// Calls f(T{}): by size where values are only moved, by type where they are reduced.
template <typename F>
void by_reduced_type(ScatterReduction reduction, DataType type, F&& f) {
  if (reduction == ScatterReduction::kNone) return by_size(type, f);
  switch (type) {
    case DataType::kInt8: return f(int8_t{});
    case DataType::kUInt8: return f(uint8_t{});
    case DataType::kInt16: return f(int16_t{});
    case DataType::kInt32: return f(int32_t{});
    case DataType::kInt64: return f(int64_t{});
    default: return f(float{});
  }
}

void require_scatter(ScatterReduction reduction, Infos in) {
  require_inputs(in, {"data", "indices", "updates"});
  require_type(in, 1, {DataType::kInt32, DataType::kInt64});
  check(in[0].type == in[2].type, ErrorCode::kInvalidArgument,
        "data has type {} but the updates {}; cast one of them", name_of(in[0].type),
        name_of(in[2].type));
  if (reduction == ScatterReduction::kNone) return;
  require_type(in, 0,
               {DataType::kFloat32, DataType::kInt8, DataType::kUInt8, DataType::kInt16,
                DataType::kInt32, DataType::kInt64});
}

void copy_data(const TensorView& data, const MutableTensorView& out) {
  if (data.bytes() > 0) std::memcpy(out.data, data.data, data.bytes());
}

}  // namespace

Inferred infer_op(const ScatterElements& op, Infos in) {
  require_scatter(op.reduction, in);
  const Shape &data = in[0].shape, &indices = in[1].shape, &updates = in[2].shape;
  require_element_indices(op.axis, data, indices);
  bool fits = updates.rank() == indices.rank();
  for (int a = 0; fits && a < indices.rank(); ++a) fits = may_equal(indices[a], updates[a]);
  check(fits, ErrorCode::kInvalidArgument, "indices {} and updates {} must have the same shape",
        indices.to_string(), updates.to_string());
  return {{in[0].type, data, nullptr}};
}

void evaluate_op(const ScatterElements& op, Views in, Outs out) {
  const int axis = require_element_indices(op.axis, in[0].shape, in[1].shape);
  copy_data(in[0], out[0]);
  by_reduced_type(op.reduction, in[0].type, [&](auto tag) {
    using T = decltype(tag);
    const T* updates = in[2].as<T>();
    T* to = out[0].as<T>();
    for_element_indices(in[1], in[0].shape, axis, [&](int64_t i, int64_t offset) {
      to[offset] = combined(op.reduction, to[offset], updates[i]);
    });
  });
}

Inferred infer_op(const ScatterNd& op, Infos in) {
  require_scatter(op.reduction, in);
  const Shape &data = in[0].shape, &indices = in[1].shape, &updates = in[2].shape;
  const int list = indices.rank() - 1;
  check(list >= 0, ErrorCode::kInvalidArgument, "the indices must not be a scalar");
  const int64_t depth = indices[list];
  check(depth != kDynamic, ErrorCode::kUnsupported,
        "the last axis of indices {} must have a fixed extent", indices.to_string());
  check(depth <= data.rank(), ErrorCode::kInvalidArgument, "indices {} name {} axes of data {}",
        indices.to_string(), depth, data.to_string());
  const int inner = data.rank() - static_cast<int>(depth);
  bool fits = updates.rank() == list + inner;
  for (int a = 0; fits && a < list; ++a) fits = may_equal(indices[a], updates[a]);
  for (int a = 0; fits && a < inner; ++a) {
    fits = may_equal(data[static_cast<int>(depth) + a], updates[list + a]);
  }
  check(fits, ErrorCode::kInvalidArgument, "updates {} do not fit indices {} into data {}",
        updates.to_string(), indices.to_string(), data.to_string());
  return {{in[0].type, data, nullptr}};
}

void evaluate_op(const ScatterNd& op, Views in, Outs out) {
  copy_data(in[0], out[0]);
  const SliceFinder finder{in[1], in[0].shape, 0};
  int64_t rows = 1;
  for (int a = 0; a + 1 < in[1].shape.rank(); ++a) rows *= in[1].shape[a];
  const int64_t run = finder.run();
  by_reduced_type(op.reduction, in[0].type, [&](auto tag) {
    using T = decltype(tag);
    const T* updates = in[2].as<T>();
    for (int64_t row = 0; row < rows; ++row, updates += run) {
      T* to = out[0].as<T>() + finder.offset(row);
      for (int64_t i = 0; i < run; ++i) to[i] = combined(op.reduction, to[i], updates[i]);
    }
  });
}

}  // namespace octile
