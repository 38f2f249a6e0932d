// Float matrix products: with constant weights (rows) and of two run-time operands.
#include "base/parallel_for.h"
#include "kernels/onednn/common.h"
#include "kernels/onednn/rows.h"

namespace octile::onednn {
namespace {

using Source = PreparedPrimitive::Source;

/// (…, K) as a matrix of rows.
Desc matrix(const PlanTensor& tensor) {
  const int64_t columns = tensor.shape[tensor.shape.rank() - 1];
  const int64_t rows = columns > 0 ? tensor.shape.volume() / columns : 0;
  return Desc({rows, columns}, dnnl::memory::data_type::f32, Dims{columns, 1});
}

struct RowsProblem {
  Desc x, y, residual, bias;
  dnnl::matmul::primitive_desc made;
};

RowsProblem rows_problem(const StepView& view, const Desc* weights) {
  const ConvStep& step = *view.as<ConvStep>();
  RowsProblem p;
  p.x = matrix(view.inputs[0]);
  p.y = matrix(view.outputs[0]);
  dnnl::post_ops ops;
  if (step.residual) {
    p.residual = matrix(view.inputs[1]);
    ops.append_binary(dnnl::algorithm::binary_add, p.residual);
  }
  append_clamp(ops, step.clamp);
  if (step.bias >= 0) {
    p.bias = Desc({1, step.out_channels}, dnnl::memory::data_type::f32, Dims{step.out_channels, 1});
  }
  const Dims dims{step.in_channels, step.out_channels};
  p.made = matmul(cpu_engine(), p.x, weights != nullptr ? *weights : any_layout(dims), p.bias, p.y,
                  attributes(ops));
  return p;
}

class RowsTactic : public Tactic {
 public:
  std::string_view name() const override { return "onednn.rows"; }
  Isa isa() const override { return Isa::kPortable; }

  std::string refuse(const StepView& view, const Device&) const override {
    const auto* step = view.as<ConvStep>();
    if (step == nullptr || !step->rows) return "products with constant weights only";
    if (std::string reason = refuse_unless_float(view); !reason.empty()) return reason;
    return refusal_of([&] { rows_problem(view, nullptr); });
  }

  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    const ConvStep& step = *view.as<ConvStep>();
    const Desc canonical({step.in_channels, step.out_channels}, dnnl::memory::data_type::f32,
                         Dims{1, step.in_channels});
    return std::make_unique<PackedMemory>(canonical, view.blob(step.weights).bytes.data(),
                                          rows_problem(view, nullptr).made.weights_desc());
  }

  size_t workspace_bytes(const StepView& view, const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    return rows_problem(view, nullptr).made.scratchpad_desc().get_size();
  }

  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    const auto& weights = static_cast<const PackedMemory&>(*packed);
    const ConvStep& step = *view.as<ConvStep>();
    const Desc fixed = weights.desc();
    const RowsProblem p = rows_problem(view, &fixed);
    auto run = std::make_unique<PreparedPrimitive>(dnnl::matmul(p.made), p.made.scratchpad_desc());
    run->bind(DNNL_ARG_SRC, p.x, Source::kInput, 0);
    run->bind(DNNL_ARG_WEIGHTS, fixed, Source::kFixed, 0, weights.data());
    if (step.bias >= 0) {
      run->bind(DNNL_ARG_BIAS, p.bias, Source::kFixed, 0, view.blob(step.bias).bytes.data());
    }
    run->bind(DNNL_ARG_DST, p.y, Source::kOutput, 0);
    if (step.residual) {
      run->bind(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, p.residual, Source::kInput, 1);
    }
    return run;
  }
};

/// An operand with `rank` axes (ones in front), its last two swapped when transposed.
Desc operand(const PlanTensor& tensor, int rank, bool transposed) {
  Dims dims(static_cast<size_t>(rank), 1), strides(static_cast<size_t>(rank));
  const auto shift = static_cast<size_t>(rank - tensor.shape.rank());
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) {
    dims[shift + static_cast<size_t>(axis)] = tensor.shape[axis];
  }
  int64_t step = 1;
  for (size_t axis = dims.size(); axis-- > 0;) {
    strides[axis] = step;
    step *= dims[axis];
  }
  if (transposed) {
    std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
    std::swap(strides[dims.size() - 1], strides[dims.size() - 2]);
  }
  return Desc(dims, dnnl::memory::data_type::f32, strides);
}

struct MatMulProblem {
  Desc a, b, y;
  dnnl::matmul::primitive_desc made;
};

MatMulProblem matmul_problem(const StepView& view) {
  const MatMulStep& step = *view.as<MatMulStep>();
  const int rank = view.outputs[0].shape.rank();
  MatMulProblem p;
  p.a = operand(view.inputs[0], rank, step.op.transpose_a);
  p.b = operand(view.inputs[1], rank, step.op.transpose_b);
  p.y = operand(view.outputs[0], rank, false);
  dnnl::post_ops ops;
  append_clamp(ops, step.clamp);
  p.made = matmul(cpu_engine(), p.a, p.b, Desc(), p.y, attributes(ops));
  return p;
}

class MatMulTactic : public Tactic {
 public:
  std::string_view name() const override { return "onednn.matmul"; }
  Isa isa() const override { return Isa::kPortable; }
  std::string refuse(const StepView& view, const Device&) const override {
    if (view.as<MatMulStep>() == nullptr) return "products of two operands only";
    if (std::string reason = refuse_unless_float(view); !reason.empty()) return reason;
    for (const PlanTensor& t : view.inputs) {
      if (t.shape.rank() < 2) return "operands with two axes or more only";
    }
    return refusal_of([&] { matmul_problem(view); });
  }
  size_t workspace_bytes(const StepView& view, const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    return matmul_problem(view).made.scratchpad_desc().get_size();
  }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights*,
                                    const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    const MatMulProblem p = matmul_problem(view);
    auto run = std::make_unique<PreparedPrimitive>(dnnl::matmul(p.made), p.made.scratchpad_desc());
    run->bind(DNNL_ARG_SRC, p.a, Source::kInput, 0);
    run->bind(DNNL_ARG_WEIGHTS, p.b, Source::kInput, 1);
    run->bind(DNNL_ARG_DST, p.y, Source::kOutput, 0);
    return run;
  }
};

}  // namespace

const Tactic& rows_tactic() {
  static const RowsTactic tactic;
  return tactic;
}

const Tactic& matmul_tactic() {
  static const MatMulTactic tactic;
  return tactic;
}

}  // namespace octile::onednn
