// Layer normalization over the leaf rows of normalize_kernel.h.
#include "base/parallel_for.h"
#include "kernels/cpu/misc_rows.h"
#include "kernels/cpu/normalize_kernel.h"

namespace octile::cpu {
namespace {

int64_t group_of(const NormalizeStep& step, const Shape& shape) {
  int64_t group = 1;
  for (int64_t axis = shape.rank() - step.axes; axis < shape.rank(); ++axis) {
    group *= shape[static_cast<int>(axis)];
  }
  return group;
}

std::string refuse_normalize(const StepView& view) {
  const auto* step = view.as<NormalizeStep>();
  if (step == nullptr) return "not a normalization";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!is_float(x) || !is_float(y)) return "not float";
  if (x.layout != Layout::kPlain || y.layout != Layout::kPlain) return "not a plain layout";
  return "";
}

template <const NormalizeKernel* kernel>
std::unique_ptr<Prepared> prepare_normalize(const StepView& view, const PackedWeights*) {
  const auto& step = *view.as<NormalizeStep>();
  const auto values = [&](int32_t blob) {
    return blob >= 0 ? view.blob(blob).as<float>() : nullptr;
  };
  const int64_t group = group_of(step, view.inputs[0].shape);
  const NormalizeArguments arguments{group, step.epsilon, values(step.scale), values(step.shift)};
  const int64_t rows = group > 0 ? view.inputs[0].shape.volume() / group : 0;
  return make_prepared([=](const Buffers& buffers) {
    parallel_for(rows, grain_of(group * 4), [&](int64_t begin, int64_t end, int) {
      kernel->run(static_cast<const float*>(buffers.inputs[0]) + begin * group, end - begin,
                  arguments, static_cast<float*>(buffers.outputs[0]) + begin * group);
    });
  });
}

}  // namespace

constinit const FunctionTactic kNormalizeAvx2Row{
    "normalize.avx2", Isa::kAvx2, {refuse_normalize, prepare_normalize<&kNormalizeAvx2>}};
constinit const FunctionTactic kNormalizeAvx512Row{
    "normalize.avx512vnni",
    Isa::kAvx512Vnni,
    {refuse_normalize, prepare_normalize<&kNormalizeAvx512>}};

}  // namespace octile::cpu
