// Softmax over the innermost axes, whose values lie side by side: of 8 bits over the leaf rows of
// softmax_kernel.h, of floats over those of softmax_float_kernel.h.
#include "base/parallel_for.h"
#include "kernels/cpu/misc_rows.h"
#include "kernels/cpu/softmax_float_kernel.h"
#include "kernels/cpu/softmax_kernel.h"

namespace octile::cpu {
namespace {

/// Values a group when the step's axes are the last ones of a plain tensor, else 0.
int64_t group_of(const SoftmaxStep& step, const Shape& shape) {
  const auto taken = [&](int axis) {
    return std::count(step.axes.begin(), step.axes.end(), axis) > 0 ||
           std::count(step.axes.begin(), step.axes.end(), axis - shape.rank()) > 0;
  };
  int64_t group = 1;
  int axis = shape.rank() - 1;
  for (; axis >= 0 && taken(axis); --axis) group *= shape[axis];
  for (; axis >= 0; --axis) {
    if (taken(axis)) return 0;
  }
  return step.axes.empty() ? 0 : group;
}

std::string refuse_others(const StepView& view) {
  const auto* step = view.as<SoftmaxStep>();
  if (step == nullptr) return "not a softmax";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (x.layout != Layout::kPlain || y.layout != Layout::kPlain) return "not a plain layout";
  if (group_of(*step, x.shape) == 0) return "the axes are not the innermost ones";
  return "";
}

std::string refuse_softmax(const StepView& view) {
  if (std::string reason = refuse_others(view); !reason.empty()) return reason;
  return is_8bit(view.inputs[0]) && is_float(view.outputs[0]) ? "" : "not from 8 bits to float";
}

[[maybe_unused]] std::string refuse_softmax_float(const StepView& view) {
  if (std::string reason = refuse_others(view); !reason.empty()) return reason;
  return is_float(view.inputs[0]) && is_float(view.outputs[0]) ? "" : "not float";
}

template <const SoftmaxKernel* kernel>
std::unique_ptr<Prepared> prepare_softmax(const StepView& view, const PackedWeights*) {
  const auto& step = *view.as<SoftmaxStep>();
  const PlanTensor& x = view.inputs[0];
  const auto* table = view.blob(step.table).as<int32_t>();
  const int64_t group = group_of(step, x.shape),
                groups = x.shape.volume() / std::max<int64_t>(1, group);
  const bool is_signed = x.type == DataType::kInt8;
  return make_prepared([=](const Buffers& buffers) {
    parallel_for(groups, grain_of(group * 8), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const auto* from = static_cast<const uint8_t*>(buffers.inputs[0]) + i * group;
        const int32_t max = kernel->maximum(from, is_signed, group);
        const uint64_t sum = kernel->sum(table, from, is_signed, max, group);
        kernel->divide(table, from, is_signed, max, group, static_cast<float>(sum),
                       static_cast<float*>(buffers.outputs[0]) + i * group);
      }
    });
  });
}

template <const SoftmaxFloat* kernel>
std::unique_ptr<Prepared> prepare_softmax_float(const StepView& view, const PackedWeights*) {
  const Shape& shape = view.inputs[0].shape;
  const int64_t group = group_of(*view.as<SoftmaxStep>(), shape),
                groups = shape.volume() / std::max<int64_t>(1, group);
  return make_prepared([=](const Buffers& buffers) {
    parallel_for(groups, grain_of(group * 8), [&](int64_t begin, int64_t end, int) {
      (*kernel)(static_cast<const float*>(buffers.inputs[0]) + begin * group, end - begin, group,
                static_cast<float*>(buffers.outputs[0]) + begin * group);
    });
  });
}

}  // namespace

#if defined(__x86_64__)
constinit const FunctionTactic kSoftmaxAvx2Row{
    "int8.softmax.avx2", Isa::kAvx2, {refuse_softmax, prepare_softmax<&kSoftmaxAvx2>}};
constinit const FunctionTactic kSoftmaxAvx512Row{
    "int8.softmax.avx512vnni",
    Isa::kAvx512Vnni,
    {refuse_softmax, prepare_softmax<&kSoftmaxAvx512>}};
constinit const FunctionTactic kSoftmaxFloatAvx512Row{
    "softmax.avx512vnni",
    Isa::kAvx512Vnni,
    {refuse_softmax_float, prepare_softmax_float<&kSoftmaxFloatAvx512>}};
#elif defined(__aarch64__)
constinit const FunctionTactic kSoftmaxNeonRow{
    "int8.softmax.neon", Isa::kNeon, {refuse_softmax, prepare_softmax<&kSoftmaxNeon>}};
#endif

}  // namespace octile::cpu
