// Element-wise arithmetic with NumPy broadcasting in any layout: both operands are walked by their
// own strides along the output's stored order. The output may be one of the inputs' bytes.
#include <cmath>

#include "base/parallel_for.h"
#include "kernels/portable/rows.h"
#include "kernels/portable/tensors.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace octile::portable {
namespace {

/// How a and b are walked while y is written front to back.
struct Walk {
  Rows rows;                         // the output's extents in stored order
  int64_t row_step = 0;              // of the output
  std::array<Strides, 2> strides{};  // of a and b, 0 where they broadcast

  explicit Walk(const StepView& view) {
    const PlanTensor& y = view.outputs[0];
    const auto axes = stored_axes(y);
    for (int slot = 0; slot < y.shape.rank(); ++slot) {
      rows.shape.push_back(y.shape[axes[static_cast<size_t>(slot)]]);
    }
    const auto elements = y.row_stride / static_cast<int64_t>(size_of(y.type));
    row_step = elements > 0 ? elements : rows.length();
    for (size_t i = 0; i < 2; ++i) {
      const PlanTensor& x = view.inputs[i];
      const auto stored = stored_strides(x);
      const int shift = y.shape.rank() - x.shape.rank();
      for (int slot = 0; slot < y.shape.rank(); ++slot) {
        const int axis = axes[static_cast<size_t>(slot)] - shift;
        if (axis < 0 || x.shape[axis] == 1) continue;
        strides[i][static_cast<size_t>(slot)] = stored[static_cast<size_t>(axis)];
      }
    }
  }

  /// Calls f(index into y, index into a, index into b) for all elements.
  template <typename F>
  void run(F&& f) const {
    const int64_t length = rows.length();
    const int64_t step_a = rows.step(strides[0]), step_b = rows.step(strides[1]);
    parallel_for(rows.count(), grain_for(length * 4), [&](int64_t begin, int64_t end, int) {
      for_rows(rows, strides, begin, end, [&](int64_t row, const std::array<int64_t, 2>& at) {
        for (int64_t i = 0; i < length; ++i) {
          f(row * row_step + i, at[0] + i * step_a, at[1] + i * step_b);
        }
      });
    });
  }
};

std::unique_ptr<Prepared> prepare_eltwise_int8(const StepView& view, const PackedWeights*) {
  const EltwiseStep step = *view.as<EltwiseStep>();
  const PlanTensor a = view.inputs[0], b = view.inputs[1], y = view.outputs[0];
  return make_prepared([=, walk = Walk(view)](const Buffers& buffers) {
    const bool add = step.kind == ElementwiseKind::kAdd;
    walk.run([&](int64_t to, int64_t from_a, int64_t from_b) {
      const int32_t qa = load_8bit(buffers.inputs[0], a.type, from_a) - a.zero_point;
      const int32_t qb = load_8bit(buffers.inputs[1], b.type, from_b) - b.zero_point;
      const int32_t q =
          add ? requantize_add(qa, step.m_a, qb, step.m_b, y.zero_point, step.clamp.q_lo,
                               step.clamp.q_hi)
              : requantize(qa * qb, step.m_a, y.zero_point, step.clamp.q_lo, step.clamp.q_hi);
      store_8bit(buffers.outputs[0], to, q);
    });
  });
}

template <typename F>
std::unique_ptr<Prepared> float_loop(const StepView& view, F f) {
  const Clamp clamp = view.as<EltwiseStep>()->clamp;
  return make_prepared([=, walk = Walk(view)](const Buffers& buffers) {
    const auto* a = static_cast<const float*>(buffers.inputs[0]);
    const auto* b = static_cast<const float*>(buffers.inputs[1]);
    auto* y = static_cast<float*>(buffers.outputs[0]);
    walk.run([&](int64_t to, int64_t from_a, int64_t from_b) {
      y[to] = clamp_float(f(a[from_a], b[from_b]), clamp.lo, clamp.hi);
    });
  });
}

/// Null for kinds whose result is no float.
std::unique_ptr<Prepared> prepare_eltwise_float(const StepView& view, const PackedWeights*) {
  switch (view.as<EltwiseStep>()->kind) {
    case ElementwiseKind::kAdd: return float_loop(view, [](float a, float b) { return a + b; });
    case ElementwiseKind::kSub: return float_loop(view, [](float a, float b) { return a - b; });
    case ElementwiseKind::kMul: return float_loop(view, [](float a, float b) { return a * b; });
    case ElementwiseKind::kDiv: return float_loop(view, [](float a, float b) { return a / b; });
    case ElementwiseKind::kMin:
      return float_loop(view, [](float a, float b) { return a < b || a != a ? a : b; });
    case ElementwiseKind::kMax:
      return float_loop(view, [](float a, float b) { return a > b || a != a ? a : b; });
    case ElementwiseKind::kPow:
      return float_loop(view, [](float a, float b) {
        return static_cast<float>(std::pow(static_cast<double>(a), static_cast<double>(b)));
      });
    case ElementwiseKind::kFloorDiv:
      return float_loop(view, [](float a, float b) { return std::floor(a / b); });
    case ElementwiseKind::kMod:
      return float_loop(view, [](float a, float b) { return std::fmod(a, b); });
    case ElementwiseKind::kEqual:
    case ElementwiseKind::kGreater:
    case ElementwiseKind::kLess:
    case ElementwiseKind::kAnd:
    case ElementwiseKind::kOr:
    case ElementwiseKind::kXor: break;
  }
  return nullptr;
}

/// All operands are walked by their strides.
bool takes_rows_apart(const StepView&) { return true; }

std::unique_ptr<Prepared> prepare_activation(const StepView& view, const PackedWeights*) {
  const Activation op = view.as<ActivationStep>()->op;
  const int64_t volume = view.inputs[0].shape.volume();
  return make_prepared([=](const Buffers& buffers) {
    const auto* x = static_cast<const float*>(buffers.inputs[0]);
    auto* y = static_cast<float*>(buffers.outputs[0]);
    parallel_for(volume, grain_for(16), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) y[i] = activate(op, x[i]);
    });
  });
}

}  // namespace

constinit const FunctionTactic kEltwiseInt8{
    "portable.eltwise.int8",
    Isa::kPortable,
    {forms::refuse_eltwise_bytes, prepare_eltwise_int8, nullptr, nullptr, takes_rows_apart}};
constinit const FunctionTactic kEltwiseFloat{
    "portable.eltwise.float",
    Isa::kPortable,
    {forms::refuse_eltwise_floats, prepare_eltwise_float, nullptr, nullptr, takes_rows_apart}};
constinit const FunctionTactic kActivation{
    "portable.activation.float", Isa::kPortable, {forms::refuse_activation, prepare_activation}};

}  // namespace octile::portable
