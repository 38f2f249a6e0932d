// Softmax over any axes of a plain tensor. 8-bit inputs: table entries summed in integers, one
// binary32 division; no order dependence. Float inputs go through evaluate().
#include <algorithm>

#include "base/parallel_for.h"
#include "kernels/portable/rows.h"
#include "kernels/portable/tensors.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace octile::portable {
namespace {

/// The axes taken together, and those that are kept.
struct Split {
  Rows kept, together;
  std::array<Strides, 1> kept_strides{}, together_strides{};

  Split(const Shape& shape, const std::vector<int64_t>& axes) {
    const Strides dense = dense_strides(shape);
    for (int axis = 0; axis < shape.rank(); ++axis) {
      const bool joins = axes.empty() || std::count(axes.begin(), axes.end(), axis) > 0 ||
                         std::count(axes.begin(), axes.end(), axis - shape.rank()) > 0;
      Rows& rows = joins ? together : kept;
      Strides& strides = joins ? together_strides[0] : kept_strides[0];
      strides[static_cast<size_t>(rows.shape.rank())] = dense[static_cast<size_t>(axis)];
      rows.shape.push_back(shape[axis]);
    }
    kept.shape.push_back(1);  // a row a group of values that sum to 1
  }
};

/// Calls f(offset) for every element of the group that starts at `base`.
template <typename F>
void for_group(const Split& split, int64_t base, F&& f) {
  const int64_t step = split.together.step(split.together_strides[0]);
  for_rows(split.together, split.together_strides, [&](int64_t, const std::array<int64_t, 1>& at) {
    for (int64_t i = 0; i < split.together.length(); ++i) f(base + at[0] + i * step);
  });
}

std::unique_ptr<Prepared> prepare_softmax_int8(const StepView& view, const PackedWeights*) {
  const auto& step = *view.as<SoftmaxStep>();
  const auto* table = view.blob(step.table).as<int32_t>();
  const PlanTensor x = view.inputs[0];
  return make_prepared([=, split = Split(x.shape, step.axes)](const Buffers& buffers) {
    auto* y = static_cast<float*>(buffers.outputs[0]);
    const void* from = buffers.inputs[0];
    const auto one_group = [&](int64_t base) {
      int32_t max = lowest(x.type);
      for_group(split, base, [&](int64_t i) { max = std::max(max, load_8bit(from, x.type, i)); });
      uint64_t sum = 0;
      for_group(split, base, [&](int64_t i) {
        sum += static_cast<uint64_t>(table[max - load_8bit(from, x.type, i)]);
      });
      for_group(split, base, [&](int64_t i) {
        y[i] =
            static_cast<float>(table[max - load_8bit(from, x.type, i)]) / static_cast<float>(sum);
      });
    };
    const int64_t work = split.together.shape.volume() * 4;
    parallel_for(split.kept.count(), grain_for(work), [&](int64_t begin, int64_t end, int) {
      for_rows(split.kept, split.kept_strides, begin, end,
               [&](int64_t, const std::array<int64_t, 1>& at) { one_group(at[0]); });
    });
  });
}

std::unique_ptr<Prepared> prepare_softmax_float(const StepView& view, const PackedWeights*) {
  const PlanTensor x = view.inputs[0], y = view.outputs[0];
  return make_prepared([=, op = Op{Softmax{view.as<SoftmaxStep>()->axes}}](const Buffers& buffers) {
    const TensorView input{x.type, x.shape, buffers.inputs[0]};
    const MutableTensorView output{y.type, y.shape, buffers.outputs[0]};
    evaluate(op, std::span(&input, 1), std::span(&output, 1));
  });
}

}  // namespace

constinit const FunctionTactic kSoftmaxInt8{
    "portable.softmax.int8", Isa::kPortable, {forms::refuse_softmax_bytes, prepare_softmax_int8}};
constinit const FunctionTactic kSoftmaxFloat{"portable.softmax.float",
                                             Isa::kPortable,
                                             {forms::refuse_softmax_floats, prepare_softmax_float}};

}  // namespace octile::portable
