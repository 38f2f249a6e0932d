// MatrixMultiply: NumPy's matmul with optional bias. Per output a binary32 sum over k ascending
// that starts at the bias (sum_tile.h); of int32 operands an int32 sum, modulo 2^32.
#include <algorithm>

#include "base/parallel_for.h"
#include "ops/families.h"
#include "ops/rows.h"
#include "ops/sum_tile.h"

namespace octile {
namespace {

/// Both operands as matrices: vectors get an axis of 1, and batch axes are those before the last 2.
struct Operands {
  int64_t m, n, k_a, k_b;
  Shape batch_a, batch_b;
};

Shape leading(const Shape& shape) {
  Shape batch;
  for (int axis = 0; axis + 2 < shape.rank(); ++axis) batch.push_back(shape[axis]);
  return batch;
}

Operands operands(const MatrixMultiply& op, const Shape& a, const Shape& b) {
  Operands o{1, 1, 0, 0, leading(a), leading(b)};
  const int last_a = a.rank() - 1, last_b = b.rank() - 1;
  o.k_a = a[last_a];
  o.k_b = b[last_b];
  if (last_a > 0) {
    o.m = a[last_a - 1];
    if (op.transpose_a) std::swap(o.m, o.k_a);
  }
  if (last_b > 0) {
    o.n = b[last_b];
    o.k_b = b[last_b - 1];
    if (op.transpose_b) std::swap(o.n, o.k_b);
  }
  return o;
}

template <typename T>
struct Product {
  const T *a, *b, *bias;
  T* y;
  int64_t m, n, k;
  int64_t a_row, a_term, b_term, b_column;  // strides in elements
};

/// Rows of b for terms [first, first + depth) and columns [column, column + columns), as the
/// stride between them; staged unless they lie ready.
const float* stage_b(const Product<float>& p, int64_t first, int64_t depth, int64_t column,
                     int64_t columns, float* stage, int64_t* stride) {
  const float* b = p.b + first * p.b_term + column * p.b_column;
  if (p.b_column == 1 && columns == kTile) {
    *stride = p.b_term;
    return b;
  }
  *stride = kTile;
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t j = 0; j < columns; ++j) stage[k * kTile + j] = b[k * p.b_term + j * p.b_column];
    std::fill(stage + k * kTile + columns, stage + (k + 1) * kTile, 0.0f);
  }
  return stage;
}

void multiply_block(const Product<float>& p, int64_t column, int64_t row) {
  alignas(64) float stage[kTileDepth * kTile];
  alignas(64) float sums[kTileRows * kTile];
  float buffer[kTileDepth];
  const int64_t columns = std::min<int64_t>(kTile, p.n - column);
  const int64_t rows = std::min<int64_t>(kTileRows, p.m - row);
  std::fill_n(sums, rows * kTile, 0.0f);
  for (int64_t r = 0; p.bias != nullptr && r < rows; ++r) {
    std::copy_n(p.bias + column, columns, sums + r * kTile);
  }
  for (int64_t first = 0; first < p.k; first += kTileDepth) {
    const int64_t depth = std::min<int64_t>(kTileDepth, p.k - first);
    int64_t stride = 0;
    const float* b = stage_b(p, first, depth, column, columns, stage, &stride);
    for (int64_t r = 0; r < rows; ++r) {
      const float* a = p.a + (row + r) * p.a_row + first * p.a_term;
      if (p.a_term != 1) {
        for (int64_t k = 0; k < depth; ++k) buffer[k] = a[k * p.a_term];
        a = buffer;
      }
      accumulate_tile(a, b, stride, depth, sums + r * kTile);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    std::copy_n(sums + r * kTile, columns, p.y + (row + r) * p.n + column);
  }
}

void multiply(const Product<float>& p) {
  const int64_t tiles = (p.n + kTile - 1) / kTile, blocks = (p.m + kTileRows - 1) / kTileRows;
  const int64_t work = p.k * kTile * std::min<int64_t>(kTileRows, p.m);
  parallel_for(tiles * blocks, grain_for(work), [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      multiply_block(p, item % tiles * kTile, item / tiles * kTileRows);
    }
  });
}

void multiply(const Product<int32_t>& p) {
  parallel_for(p.m, grain_for(p.k * p.n), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      int32_t* y = p.y + row * p.n;
      for (int64_t j = 0; j < p.n; ++j) y[j] = p.bias != nullptr ? p.bias[j] : 0;
      for (int64_t k = 0; k < p.k; ++k) {
        const auto a = static_cast<uint32_t>(p.a[row * p.a_row + k * p.a_term]);
        const int32_t* b = p.b + k * p.b_term;
        for (int64_t j = 0; j < p.n; ++j) {
          y[j] = static_cast<int32_t>(static_cast<uint32_t>(y[j]) +
                                      a * static_cast<uint32_t>(b[j * p.b_column]));
        }
      }
    }
  });
}

template <typename T>
void evaluate_products(const MatrixMultiply& op, Views in, Outs out) {
  const Shape &a = in[0].shape, &b = in[1].shape;
  Operands o = operands(op, a, b);
  const bool turn_a = op.transpose_a && a.rank() > 1, turn_b = op.transpose_b && b.rank() > 1;
  Product<T> p{in[0].as<T>(),
               in[1].as<T>(),
               in.size() > 2 ? in[2].as<T>() : nullptr,
               out[0].as<T>(),
               o.m,
               o.n,
               o.k_a,
               turn_a ? 1 : o.k_a,
               turn_a ? o.m : 1,
               turn_b ? 1 : o.n,
               turn_b ? o.k_b : 1};
  if (b.rank() == 2 && !turn_a) {  // one weight matrix: the batch is just more rows
    p.m *= o.batch_a.volume();
    return multiply(p);
  }
  Shape batch = broadcast(o.batch_a, o.batch_b);
  const std::array<Strides, 2> strides{broadcast_strides(o.batch_a, batch),
                                       broadcast_strides(o.batch_b, batch)};
  batch.push_back(1);  // a row a matrix
  for_rows(Rows{batch}, strides, [&](int64_t row, const std::array<int64_t, 2>& offsets) {
    Product<T> one = p;
    one.a += offsets[0] * p.m * p.k;
    one.b += offsets[1] * p.n * p.k;
    one.y += row * p.m * p.n;
    multiply(one);
  });
}

}  // namespace

Inferred infer_op(const MatrixMultiply& op, Infos in) {
  require_inputs(in, {"a", "b", "bias"}, 1);
  require_type(in, 0, {DataType::kFloat32, DataType::kInt32});
  require_same_types(in);
  const Shape &a = in[0].shape, &b = in[1].shape;
  check(a.rank() >= 1 && b.rank() >= 1, ErrorCode::kInvalidArgument,
        "operands {} and {} must not be scalars", a.to_string(), b.to_string());
  const Operands o = operands(op, a, b);
  check(may_equal(o.k_a, o.k_b), ErrorCode::kInvalidArgument,
        "operands {} and {} (transpose_a={}, transpose_b={}) have inner extents {} and {}, which "
        "must be equal; reshape or transpose one of them",
        a.to_string(), b.to_string(), op.transpose_a, op.transpose_b, o.k_a, o.k_b);
  Shape out = broadcast(o.batch_a, o.batch_b);
  if (a.rank() > 1) out.push_back(o.m);
  if (b.rank() > 1) out.push_back(o.n);
  if (in.size() > 2) {
    check(b.rank() > 1 && in[2].shape.rank() == 1 && may_equal(in[2].shape[0], o.n),
          ErrorCode::kInvalidArgument, "bias has shape {}, but the product {} needs ({})",
          in[2].shape.to_string(), out.to_string(), o.n);
  }
  return {{in[0].type, out, nullptr}};
}

void evaluate_op(const MatrixMultiply& op, Views in, Outs out) {
  if (in[0].type == DataType::kInt32) return evaluate_products<int32_t>(op, in, out);
  evaluate_products<float>(op, in, out);
}

}  // namespace octile
