// Layer normalization as it is defined, sums in binary64: what faster rows are held against.
#include <cmath>

#include "base/parallel_for.h"
#include "kernels/portable/rows.h"
#include "kernels/portable/tensors.h"

namespace octile::portable {
namespace {

void normalize(const float* x, int64_t count, float epsilon, const float* scale, const float* shift,
               float* y) {
  double sum = 0.0, squares = 0.0;
  for (int64_t i = 0; i < count; ++i) sum += double(x[i]);
  const double mean = sum / double(count);
  for (int64_t i = 0; i < count; ++i) squares += (double(x[i]) - mean) * (double(x[i]) - mean);
  const double inverse = 1.0 / std::sqrt(squares / double(count) + double(epsilon));
  for (int64_t i = 0; i < count; ++i) {
    double v = (double(x[i]) - mean) * inverse;
    if (scale != nullptr) v *= double(scale[i]);
    if (shift != nullptr) v += double(shift[i]);
    y[i] = static_cast<float>(v);
  }
}

std::unique_ptr<Prepared> prepare_normalize(const StepView& view, const PackedWeights*) {
  const auto& step = *view.as<NormalizeStep>();
  const Shape& shape = view.inputs[0].shape;
  int64_t group = 1;
  for (int64_t axis = shape.rank() - step.axes; axis < shape.rank(); ++axis) {
    group *= shape[static_cast<int>(axis)];
  }
  const auto values = [&](int32_t blob) {
    return blob >= 0 ? view.blob(blob).as<float>() : nullptr;
  };
  const float *scale = values(step.scale), *shift = values(step.shift), epsilon = step.epsilon;
  const int64_t groups = group > 0 ? shape.volume() / group : 0;
  return make_prepared([=](const Buffers& buffers) {
    const auto* x = static_cast<const float*>(buffers.inputs[0]);
    auto* y = static_cast<float*>(buffers.outputs[0]);
    parallel_for(groups, grain_for(group * 8), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        normalize(x + i * group, group, epsilon, scale, shift, y + i * group);
      }
    });
  });
}

}  // namespace

constinit const FunctionTactic kNormalize{
    "portable.normalize", Isa::kPortable, {forms::refuse_normalize, prepare_normalize}};

}  // namespace octile::portable
