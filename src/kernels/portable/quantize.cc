// Float ↔ 8 bits, static and dynamic, with the change of layout fused; and byte tables.
#include <cmath>

#include "base/parallel_for.h"
#include "kernels/portable/rows.h"
#include "kernels/portable/tensors.h"

namespace octile::portable {
namespace {

/// Calls f(to, from) for all elements of one sample, in the output's stored order.
template <typename F>
void for_sample(const Planes& p, Layout from, Layout to, F&& f) {
  if (from == to) {
    for (int64_t i = 0; i < p.sample(); ++i) f(i, i);
    return;
  }
  const int64_t outer = to == Layout::kPlain ? p.c : p.s, inner = to == Layout::kPlain ? p.s : p.c;
  for (int64_t i = 0; i < outer; ++i) {
    for (int64_t j = 0; j < inner; ++j) {
      f(i * inner + j, to == Layout::kPlain ? p.at(from, i, j) : p.at(from, j, i));
    }
  }
}

/// Scale and zero point from the sample's own finite values.
QuantParams sample_params(const float* x, int64_t count, bool affine) {
  float min = 0.0f, max = 0.0f;  // the range is widened to hold 0
  for (int64_t i = 0; i < count; ++i) {
    if (!is_in_range(x[i])) continue;
    if (x[i] < min) min = x[i];
    if (x[i] > max) max = x[i];
  }
  return affine ? affine_params(min, max) : symmetric_params(std::max(-min, max));
}

std::unique_ptr<Prepared> prepare_quantize(const StepView& view, const PackedWeights*) {
  const QuantizeStep step = *view.as<QuantizeStep>();
  const PlanTensor x = view.inputs[0], y = view.outputs[0];
  const bool affine = view.outputs.size() > 2;
  const Planes p = Planes::of(x.shape);
  return make_prepared([=](const Buffers& buffers) {
    parallel_for(p.n, grain_for(p.sample() * 4), [&](int64_t begin, int64_t end, int) {
      for (int64_t n = begin; n < end; ++n) {
        const auto* from = static_cast<const float*>(buffers.inputs[0]) + n * p.sample();
        auto* to = static_cast<uint8_t*>(buffers.outputs[0]) + n * p.sample();
        QuantParams params{y.scale, y.zero_point};
        if (step.dynamic) {
          params = sample_params(from, p.sample(), affine);
          static_cast<float*>(buffers.outputs[1])[n] = params.scale;
          if (affine) static_cast<int32_t*>(buffers.outputs[2])[n] = params.zero_point;
        }
        for_sample(p, x.layout, y.layout, [&](int64_t i, int64_t j) {
          to[i] = static_cast<uint8_t>(
              quantize_value(from[j], params.scale, params.zero_point, step.q_lo, step.q_hi));
        });
      }
    });
  });
}

std::unique_ptr<Prepared> prepare_dequantize(const StepView& view, const PackedWeights*) {
  const bool dynamic = view.as<DequantizeStep>()->dynamic;
  const PlanTensor x = view.inputs[0], y = view.outputs[0];
  const bool has_zero = view.inputs.size() > 2;
  const Planes p = Planes::of(x.shape);
  return make_prepared([=](const Buffers& buffers) {
    parallel_for(p.n, grain_for(p.sample() * 2), [&](int64_t begin, int64_t end, int) {
      for (int64_t n = begin; n < end; ++n) {
        QuantParams params{x.scale, x.zero_point};
        if (dynamic) {
          params = {static_cast<const float*>(buffers.inputs[1])[n],
                    has_zero ? static_cast<const int32_t*>(buffers.inputs[2])[n] : 0};
        }
        auto* to = static_cast<float*>(buffers.outputs[0]) + n * p.sample();
        for_sample(p, x.layout, y.layout, [&](int64_t i, int64_t j) {
          to[i] = dequantize_value(load_8bit(buffers.inputs[0], x.type, n * p.sample() + j),
                                   params.scale, params.zero_point);
        });
      }
    });
  });
}

std::unique_ptr<Prepared> prepare_lookup(const StepView& view, const PackedWeights*) {
  const auto* table = view.blob(view.as<LookupStep>()->table).as<uint8_t>();
  const int64_t volume = view.inputs[0].shape.volume();
  return make_prepared([=](const Buffers& buffers) {
    const auto* x = static_cast<const uint8_t*>(buffers.inputs[0]);
    auto* y = static_cast<uint8_t*>(buffers.outputs[0]);
    parallel_for(volume, grain_for(1), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) y[i] = table[x[i]];
    });
  });
}

}  // namespace

constinit const FunctionTactic kQuantize{
    "portable.quantize", Isa::kPortable, {forms::refuse_quantize, prepare_quantize}};
constinit const FunctionTactic kDequantize{
    "portable.dequantize", Isa::kPortable, {forms::refuse_dequantize, prepare_dequantize}};
constinit const FunctionTactic kLookup{
    "portable.lookup", Isa::kPortable, {forms::refuse_lookup, prepare_lookup}};

}  // namespace octile::portable
