// Shuffle: transpose, reshape, transpose. The elements keep their order in the reshape, so at most
// one copy per transpose is made; the shape rule resolves 0 and −1 even with unknown extents.
#include <algorithm>

#include "ops/families.h"
#include "ops/rows.h"

namespace octile {
namespace {

void require_permutation(const std::vector<int64_t>& permutation, int rank,
                         std::string_view which) {
  if (permutation.empty()) return;
  std::array<bool, kMaxRank> seen{};
  bool fits = static_cast<int>(permutation.size()) == rank;
  for (size_t i = 0; fits && i < permutation.size(); ++i) {
    const int64_t axis = permutation[i];
    fits = axis >= 0 && axis < rank && !seen[static_cast<size_t>(axis)];
    if (fits) seen[static_cast<size_t>(axis)] = true;
  }
  check(fits, ErrorCode::kInvalidArgument,
        "the {} transpose [{}] is not a permutation of the axes 0 to {}", which,
        listed(permutation), rank - 1);
}

Shape permuted(const Shape& shape, const std::vector<int64_t>& permutation) {
  if (permutation.empty()) return shape;
  Shape result;
  for (int64_t axis : permutation) result.push_back(shape[static_cast<int>(axis)]);
  return result;
}

/// Elements that the axes which no 0 copies have before and after: those copied cancel out,
/// whatever they are (unknown, or 0).
struct Balance {
  int64_t in = 1, out = 1;
  bool known = true;
  bool empty = false;  // an axis of extent 0 is copied: any other extents fit
};

void multiply_known(int64_t& product, int64_t extent, const Shape& x) {
  check(!__builtin_mul_overflow(product, extent, &product), ErrorCode::kInvalidArgument,
        "shape {} has too many elements", x.to_string());
}

Shape reshaped(const Shuffle& op, const Shape& x) {
  Shape out;
  Balance balance;
  std::array<bool, kMaxRank> copied{};
  int inferred = -1;
  for (size_t i = 0; i < op.dims.size(); ++i) {
    int64_t extent = op.dims[i];
    const int axis = static_cast<int>(i);
    if (extent == 0 && op.zero_is_placeholder) {
      check(axis < x.rank(), ErrorCode::kInvalidArgument,
            "dims [{}]: the 0 at position {} has no axis of {} to copy", listed(op.dims), axis,
            x.to_string());
      copied[i] = true;
      balance.empty = balance.empty || x[axis] == 0;
      out.push_back(x[axis]);
      continue;
    }
    if (extent == -1) {
      check(inferred < 0, ErrorCode::kInvalidArgument, "dims [{}] have more than one -1",
            listed(op.dims));
      inferred = axis;
    }
    check(extent >= -1, ErrorCode::kInvalidArgument, "dims [{}] have a negative extent",
          listed(op.dims));
    out.push_back(extent);
    if (extent >= 0) multiply_known(balance.out, extent, x);
  }
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (copied[static_cast<size_t>(axis)]) continue;
    balance.known = balance.known && x[axis] != kDynamic;
    if (x[axis] != kDynamic) multiply_known(balance.in, x[axis], x);
  }
  const bool fits = inferred < 0 ? balance.in == balance.out || balance.empty
                                 : balance.out > 0 && balance.in % balance.out == 0;
  check(!balance.known || fits, ErrorCode::kInvalidArgument,
        "cannot reshape {} into dims [{}]: the number of elements differs", x.to_string(),
        listed(op.dims));
  if (inferred >= 0) out[inferred] = balance.known ? balance.in / balance.out : kDynamic;
  return out;
}

template <typename T>
void transpose(const T* from, const Shape& shape, const std::vector<int64_t>& permutation, T* to) {
  const Strides dense = dense_strides(shape);
  std::array<Strides, 1> strides{};
  for (size_t i = 0; i < permutation.size(); ++i) {
    strides[0][i] = dense[static_cast<size_t>(permutation[i])];
  }
  const Rows rows{permuted(shape, permutation)};
  const int64_t length = rows.length(), step = rows.step(strides[0]);
  for_rows(rows, strides, [&](int64_t row, const std::array<int64_t, 1>& at) {
    const T* source = from + at[0];
    T* target = to + row * length;
    if (step == 1) {
      std::copy_n(source, length, target);
    } else {
      for (int64_t i = 0; i < length; ++i) target[i] = source[i * step];
    }
  });
}

bool moves(const std::vector<int64_t>& permutation) {
  return !std::is_sorted(permutation.begin(), permutation.end());
}

}  // namespace

Inferred infer_op(const Shuffle& op, Infos in) {
  require_inputs(in, {"x"});
  require_permutation(op.first, in[0].shape.rank(), "first");
  Shape shape = permuted(in[0].shape, op.first);
  if (op.has_reshape) shape = reshaped(op, shape);
  require_permutation(op.second, shape.rank(), "second");
  return {{in[0].type, permuted(shape, op.second), nullptr}};
}

void evaluate_op(const Shuffle& op, Views in, Outs out) {
  by_size(in[0].type, [&](auto tag) {
    using T = decltype(tag);
    const T* x = in[0].as<T>();
    T* y = out[0].as<T>();
    const int64_t count = in[0].shape.volume();
    const bool first = moves(op.first), second = moves(op.second);
    if (!first && !second) {
      std::copy_n(x, count, y);
    } else if (!second) {
      transpose(x, in[0].shape, op.first, y);
    } else {
      Shape middle = permuted(in[0].shape, op.first);
      if (op.has_reshape) middle = reshaped(op, middle);
      if (!first) return transpose(x, middle, op.second, y);
      Tensor between(in[0].type, middle);  // two transposes with a reshape between: rare
      transpose(x, in[0].shape, op.first, between.as<T>());
      transpose(between.as<T>(), middle, op.second, y);
    }
  });
}

}  // namespace octile
