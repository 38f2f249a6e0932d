// Float → 8 bits (static and dynamic; planes → channels-last fused) and back, over the leaf rows of
// quantize_kernel.h.
#include <array>

#include "arithmetic/quantize.h"
#include "base/parallel_for.h"
#include "kernels/cpu/misc_rows.h"
#include "kernels/cpu/quantize_kernel.h"

namespace octile::cpu {
namespace {

/// One sample of the step, and how it is walked.
struct Sample {
  int64_t channels = 1, pixels = 1;  // pixels == 1: flat
  bool interleave = false;
  int64_t volume() const { return channels * pixels; }
};

Sample sample_of(const PlanTensor& x, const PlanTensor& y) {
  Sample s;
  for (int axis = 1; axis < x.shape.rank(); ++axis) {
    (axis == 1 ? s.channels : s.pixels) *= x.shape[axis];
  }
  s.interleave = x.layout != y.layout && s.channels > 1 && s.pixels > 1;
  if (!s.interleave) {
    s.channels *= s.pixels;
    s.pixels = 1;
  }
  return s;
}

QuantizeArguments arguments(const QuantParams& params, const QuantizeStep& step) {
  return {params.scale, static_cast<float>(step.q_lo - params.zero_point),
          static_cast<float>(step.q_hi - params.zero_point), params.zero_point};
}

class Quantize final : public Prepared {
 public:
  Quantize(const StepView& view, const QuantizeKernel& kernel)
      : kernel_(kernel),
        step_(*view.as<QuantizeStep>()),
        grid_{view.outputs[0].scale, view.outputs[0].zero_point},
        sample_(sample_of(view.inputs[0], view.outputs[0])),
        samples_(view.inputs[0].shape.rank() > 0 ? view.inputs[0].shape[0] : 1),
        affine_(view.outputs.size() > 2) {}

  void run(const Buffers& buffers) override {
    const auto* x = static_cast<const float*>(buffers.inputs[0]);
    auto* y = static_cast<uint8_t*>(buffers.outputs[0]);
    if (!step_.dynamic && !sample_.interleave) {
      return flat(x, samples_ * sample_.volume(), arguments(grid_, step_), y);
    }
    if (samples_ >= thread_count() || samples_ * sample_.volume() < 2 * kFlatGrain) {
      parallel_for(samples_, grain_of(sample_.volume()), [&](int64_t begin, int64_t end, int) {
        for (int64_t n = begin; n < end; ++n) one_sample(buffers, x, y, n);
      });
      return;
    }
    for (int64_t n = 0; n < samples_; ++n) one_sample(buffers, x, y, n);
  }

 private:
  /// Runs serially when called inside a loop over samples, else on all threads.
  void one_sample(const Buffers& buffers, const float* x, uint8_t* y, int64_t n) {
    const float* from = x + n * sample_.volume();
    uint8_t* to = y + n * sample_.volume();
    QuantParams params = grid_;
    if (step_.dynamic) {
      params = own_params(from);
      static_cast<float*>(buffers.outputs[1])[n] = params.scale;
      if (affine_) static_cast<int32_t*>(buffers.outputs[2])[n] = params.zero_point;
    }
    const QuantizeArguments a = arguments(params, step_);
    if (!sample_.interleave) return flat(from, sample_.volume(), a, to);
    const int64_t grain = std::max<int64_t>(16, grain_of(sample_.channels) / 16 * 16);
    parallel_for(sample_.pixels, grain, [&](int64_t begin, int64_t end, int) {
      kernel_.interleave(from + begin, sample_.channels, sample_.pixels, end - begin, a,
                         to + begin * sample_.channels);
    });
  }

  void flat(const float* x, int64_t count, const QuantizeArguments& a, uint8_t* y) const {
    parallel_for(count, kFlatGrain, [&](int64_t begin, int64_t end, int) {
      kernel_.quantize(x + begin, end - begin, a, y + begin);
    });
  }

  /// Minima and maxima know no order, so parts may be taken by any thread.
  QuantParams own_params(const float* x) const {
    constexpr int64_t kParts = 64;
    std::array<float, kParts> least{}, largest{};
    const int64_t count = sample_.volume();
    const int64_t part = std::max(kFlatGrain, (count + kParts - 1) / kParts);
    const int64_t parts = (count + part - 1) / part;
    parallel_for(parts, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const auto slot = static_cast<size_t>(i);
        kernel_.range(x + i * part, std::min(part, count - i * part), &least[slot], &largest[slot]);
      }
    });
    const float lo = *std::min_element(least.begin(), least.end());
    const float hi = *std::max_element(largest.begin(), largest.end());
    return affine_ ? affine_params(lo, hi) : symmetric_params(std::max(-lo, hi));
  }

  const QuantizeKernel& kernel_;
  QuantizeStep step_;
  QuantParams grid_;
  Sample sample_;
  int64_t samples_;
  bool affine_;
};

std::string refuse_quantize(const StepView& view) {
  if (view.as<QuantizeStep>() == nullptr) return "not a quantization";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!is_float(x) || !is_8bit(y)) return "not from float to 8 bits";
  if (x.layout == Layout::kChannelsLast && y.layout == Layout::kPlain) {
    return "channels-last to planes is not fused";
  }
  return "";
}

template <const QuantizeKernel* kernel>
std::unique_ptr<Prepared> prepare_quantize(const StepView& view, const PackedWeights*) {
  return std::make_unique<Quantize>(view, *kernel);
}

std::string refuse_dequantize(const StepView& view) {
  if (view.as<DequantizeStep>() == nullptr) return "not a dequantization";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!is_8bit(x) || !is_float(y)) return "not from 8 bits to float";
  if (x.layout != y.layout) return "a change of layout is not fused";
  return "";
}

template <const QuantizeKernel* kernel>
std::unique_ptr<Prepared> prepare_dequantize(const StepView& view, const PackedWeights*) {
  const PlanTensor& x = view.inputs[0];
  const bool dynamic = view.as<DequantizeStep>()->dynamic, is_signed = x.type == DataType::kInt8;
  const bool has_zero = view.inputs.size() > 2;
  const int64_t samples = dynamic ? x.shape[0] : 1;
  const int64_t count = samples > 0 ? x.shape.volume() / samples : 0;
  return make_prepared([=, scale = x.scale, zero = x.zero_point](const Buffers& buffers) {
    for (int64_t n = 0; n < samples; ++n) {
      const float s = dynamic ? static_cast<const float*>(buffers.inputs[1])[n] : scale;
      const int32_t z = !dynamic   ? zero
                        : has_zero ? static_cast<const int32_t*>(buffers.inputs[2])[n]
                                   : 0;
      const auto* from = static_cast<const uint8_t*>(buffers.inputs[0]) + n * count;
      auto* to = static_cast<float*>(buffers.outputs[0]) + n * count;
      parallel_for(count, kFlatGrain, [&](int64_t begin, int64_t end, int) {
        kernel->dequantize(from + begin, is_signed, end - begin, s, z, to + begin);
      });
    }
  });
}

}  // namespace

#if defined(__x86_64__)
constinit const FunctionTactic kQuantizeAvx2Row{
    "quantize.avx2", Isa::kAvx2, {refuse_quantize, prepare_quantize<&kQuantizeAvx2>}};
constinit const FunctionTactic kQuantizeAvx512Row{
    "quantize.avx512vnni", Isa::kAvx512Vnni, {refuse_quantize, prepare_quantize<&kQuantizeAvx512>}};
constinit const FunctionTactic kDequantizeAvx2Row{
    "dequantize.avx2",
    Isa::kAvx2,
    {refuse_dequantize, prepare_dequantize<&kQuantizeAvx2>, nullptr, nullptr, takes_rows_close}};
constinit const FunctionTactic kDequantizeAvx512Row{
    "dequantize.avx512vnni",
    Isa::kAvx512Vnni,
    {refuse_dequantize, prepare_dequantize<&kQuantizeAvx512>, nullptr, nullptr, takes_rows_close}};
#elif defined(__aarch64__)
constinit const FunctionTactic kQuantizeNeonRow{
    "quantize.neon", Isa::kNeon, {refuse_quantize, prepare_quantize<&kQuantizeNeon>}};
constinit const FunctionTactic kDequantizeNeonRow{
    "dequantize.neon",
    Isa::kNeon,
    {refuse_dequantize, prepare_dequantize<&kQuantizeNeon>, nullptr, nullptr, takes_rows_close}};
#endif

}  // namespace octile::cpu
