// Product of two run-time operands, batch axes broadcast. 8-bit: an integer sum and the weighted
// step's epilogue with one multiplier. Float: evaluate(), then the clamp.
#include <algorithm>

#include "base/parallel_for.h"
#include "kernels/portable/rows.h"
#include "kernels/portable/tensors.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace octile::portable {
namespace {

Shape leading(const Shape& shape) {
  Shape batch;
  for (int axis = 0; axis + 2 < shape.rank(); ++axis) batch.push_back(shape[axis]);
  return batch;
}

/// One operand as a matrix of (rows, terms): distances between neighbours, and the whole matrix.
struct Matrix {
  int64_t row, term, size;
  Matrix(const Shape& shape, bool transpose) {
    const int64_t outer = shape[shape.rank() - 2], inner = shape[shape.rank() - 1];
    row = transpose ? 1 : inner;
    term = transpose ? inner : 1;
    size = outer * inner;
  }
};

class MatmulInt8 final : public Prepared {
 public:
  explicit MatmulInt8(const StepView& view)
      : step_(*view.as<MatMulStep>()),
        a_(view.inputs[0]),
        b_(view.inputs[1]),
        y_(view.outputs[0]),
        left_(a_.shape, step_.op.transpose_a),
        right_(b_.shape, !step_.op.transpose_b),
        m_(y_.shape[y_.shape.rank() - 2]),
        n_(y_.shape[y_.shape.rank() - 1]),
        k_(a_.shape[a_.shape.rank() - (step_.op.transpose_a ? 2 : 1)]) {
    const Shape batch = leading(y_.shape);
    strides_ = {broadcast_strides(leading(a_.shape), batch),
                broadcast_strides(leading(b_.shape), batch)};
    batch_.shape = batch;
    batch_.shape.push_back(1);  // a row a matrix
  }

  void run(const Buffers& buffers) override {
    parallel_for(batch_.count() * m_, grain_for(n_ * k_), [&](int64_t begin, int64_t end, int) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t matrix = item / m_;
        for_rows(batch_, strides_, matrix, matrix + 1,
                 [&](int64_t, const std::array<int64_t, 2>& at) {
                   one_row(buffers, at[0] * left_.size + item % m_ * left_.row, at[1] * right_.size,
                           item * n_);
                 });
      }
    });
  }

 private:
  void one_row(const Buffers& buffers, int64_t from_a, int64_t from_b, int64_t to) const {
    for (int64_t j = 0; j < n_; ++j) {
      uint32_t acc = 0;
      for (int64_t k = 0; k < k_; ++k) {
        const int32_t qa = load_8bit(buffers.inputs[0], a_.type, from_a + k * left_.term);
        const int32_t qb =
            load_8bit(buffers.inputs[1], b_.type, from_b + j * right_.row + k * right_.term);
        acc += static_cast<uint32_t>((qa - a_.zero_point) * (qb - b_.zero_point));
      }
      const auto sum = static_cast<int32_t>(acc);
      const Clamp& clamp = step_.clamp;
      if (is_float(y_)) {
        static_cast<float*>(buffers.outputs[0])[to + j] =
            clamp_value(static_cast<float>(sum) * step_.multiplier, clamp.lo, clamp.hi);
      } else {
        store_8bit(buffers.outputs[0], to + j,
                   requantize(sum, step_.multiplier, y_.zero_point, clamp.q_lo, clamp.q_hi));
      }
    }
  }

  MatMulStep step_;
  PlanTensor a_, b_, y_;
  Matrix left_, right_;
  int64_t m_, n_, k_;
  Rows batch_;
  std::array<Strides, 2> strides_;
};

std::unique_ptr<Prepared> prepare_matmul_int8(const StepView& view, const PackedWeights*) {
  return std::make_unique<MatmulInt8>(view);
}

std::unique_ptr<Prepared> prepare_matmul_float(const StepView& view, const PackedWeights*) {
  const PlanTensor a = view.inputs[0], b = view.inputs[1], y = view.outputs[0];
  const auto& step = *view.as<MatMulStep>();
  return make_prepared([=, op = Op{step.op}, clamp = step.clamp](const Buffers& buffers) {
    const TensorView inputs[] = {{a.type, a.shape, buffers.inputs[0]},
                                 {b.type, b.shape, buffers.inputs[1]}};
    const MutableTensorView output{y.type, y.shape, buffers.outputs[0]};
    evaluate(op, inputs, std::span(&output, 1));
    if (clamp.lo == -kInfinity && clamp.hi == kInfinity) return;
    auto* values = output.as<float>();
    for (int64_t i = 0; i < y.shape.volume(); ++i) {
      values[i] = clamp_float(values[i], clamp.lo, clamp.hi);
    }
  });
}

}  // namespace

constinit const FunctionTactic kMatmulInt8{
    "portable.matmul.int8", Isa::kPortable, {forms::refuse_matmul_bytes, prepare_matmul_int8}};
constinit const FunctionTactic kMatmulFloat{
    "portable.matmul.float", Isa::kPortable, {forms::refuse_matmul_floats, prepare_matmul_float}};

}  // namespace octile::portable
