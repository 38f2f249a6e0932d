// Rows of matmul.cu: products of two run-time operands.
#include <algorithm>

#include "arithmetic/quantize.h"
#include "kernels/cuda/rows.h"
#include "ops/rows.h"

namespace octile::cuda {
namespace {

Shape leading(const Shape& shape) {
  Shape batch;
  for (int axis = 0; axis + 2 < shape.rank(); ++axis) batch.push_back(shape[axis]);
  return batch;
}

/// REQUIRES: rank ≥ 2 of both operands.
Product product_of(const StepView& view) {
  const auto& op = view.as<MatMulStep>()->op;
  const Shape &a = view.inputs[0].shape, &b = view.inputs[1].shape, &y = view.outputs[0].shape;
  Product p;
  p.m = y[y.rank() - 2];
  p.n = y[y.rank() - 1];
  p.k = a[a.rank() - (op.transpose_a ? 2 : 1)];
  const int64_t inner_a = a[a.rank() - 1], inner_b = b[b.rank() - 1];
  p.row_a = op.transpose_a ? 1 : inner_a;
  p.term_a = op.transpose_a ? inner_a : 1;
  p.column_b = op.transpose_b ? inner_b : 1;
  p.term_b = op.transpose_b ? 1 : inner_b;
  const Shape batch = leading(y);
  p.batch_rank = batch.rank();
  const Strides strides[2] = {broadcast_strides(leading(a), batch),
                              broadcast_strides(leading(b), batch)};
  const int64_t size[2] = {a[a.rank() - 2] * inner_a, b[b.rank() - 2] * inner_b};
  for (int axis = 0; axis < batch.rank(); ++axis) {
    p.batches *= batch[axis];
    p.batch_extent[axis] = batch[axis];
    for (int i = 0; i < 2; ++i) {
      p.batch_stride[i][axis] = strides[i][static_cast<size_t>(axis)] * size[i];
    }
  }
  return p;
}

std::unique_ptr<Prepared> prepare_bytes_matmul(const StepView& view, const DeviceWeights*,
                                               const Device&) {
  const auto& s = *view.as<MatMulStep>();
  const PlanTensor& y = view.outputs[0];
  const ProductBytes step{.a = byte_type(view.inputs[0]),
                          .b = byte_type(view.inputs[1]),
                          .float_out = is_real(y.type),
                          .y_type = real_type(y),
                          .multiplier = s.multiplier,
                          .y_zero_point = y.zero_point,
                          .q_lo = s.clamp.q_lo,
                          .q_hi = s.clamp.q_hi,
                          .lo = s.clamp.lo,
                          .hi = s.clamp.hi};
  return make_prepared([step, p = product_of(view)](const Buffers& b) {
    launch_matmul_bytes(p, step, b.inputs[0], b.inputs[1], b.outputs[0], b.stream);
  });
}

std::unique_ptr<Prepared> prepare_floats_matmul(const StepView& view, const DeviceWeights*,
                                                const Device&) {
  const Clamp clamp = view.as<MatMulStep>()->clamp;
  const Real type = real_type(view.outputs[0]);
  return make_prepared([clamp, type, p = product_of(view)](const Buffers& b) {
    launch_matmul_floats(p, clamp.lo, clamp.hi, type, b.inputs[0], b.inputs[1], b.outputs[0],
                         b.stream);
  });
}

/// Of a product whose types and layouts are right.
std::string refuse_shapes(const StepView& view) {
  const Shape &a = view.inputs[0].shape, &b = view.inputs[1].shape, &y = view.outputs[0].shape;
  if (a.rank() < 2 || b.rank() < 2) return "an operand is a vector";
  constexpr int64_t kMostGrid = 65535, kTile = 64;
  if (leading(y).volume() > kMostGrid || y[y.rank() - 2] / kTile >= kMostGrid) return "too large";
  return "";
}

std::string refuse_bytes_matmul(const StepView& view) {
  std::string reason = refuse_real<forms::refuse_matmul_bytes>(view);
  return reason.empty() ? refuse_shapes(view) : reason;
}

std::string refuse_floats_matmul(const StepView& view) {
  std::string reason = refuse_real<forms::refuse_matmul_floats>(view);
  return reason.empty() ? refuse_shapes(view) : reason;
}

}  // namespace

constinit const Row kMatmulBytesRow{"cuda.matmul.int8",
                                    {refuse_bytes_matmul, prepare_bytes_matmul}};
constinit const Row kMatmulFloatsRow{"cuda.matmul.float",
                                     {refuse_floats_matmul, prepare_floats_matmul}};

}  // namespace octile::cuda
