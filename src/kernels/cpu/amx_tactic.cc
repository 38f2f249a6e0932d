// The row int8.gemm.amx: every weighted int8 step but narrow groups.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/amx_prepared.h"
#include "kernels/cpu/rows.h"

namespace octile {
namespace {

/// Saturating packs clamp what fits int32, so every scaled sum must: |sum| < 2^31 is the plan's
/// bound, but the multiplier may be above 1.
bool may_leave_int32(const StepView& view, const ConvStep& step) {
  const auto* multiplier = view.blob(step.multiplier).as<float>();
  const auto* bias = view.blob(step.bias).as<int32_t>();
  const int64_t k = step.window.kernel[0] * step.window.kernel[1] * step.in_channels / step.groups;
  const double residual = step.residual ? 255.0 * std::abs(double(step.residual_multiplier)) : 0.0;
  for (int64_t m = 0; m < step.out_channels; ++m) {
    const double sum = std::min(0x1p31, 128.0 * 255.0 * double(k) + std::abs(double(bias[m])));
    if (sum * double(multiplier[m]) + residual > 0x1p31 - 0x1p8) return true;
  }
  return false;
}

class AmxTactic : public Tactic {
 public:
  std::string_view name() const override { return "int8.gemm.amx"; }
  Isa isa() const override { return Isa::kAmx; }

  std::string refuse(const StepView& view, const Device&) const override {
    const auto* step = view.as<ConvStep>();
    if (step == nullptr) return "not a convolution";
    const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
    if (!is_8bit(x)) return "the input is not 8-bit";
    if (!is_8bit(y) && !is_float(y)) return "the output is neither 8-bit nor float32";
    const bool image = x.layout == Layout::kChannelsLast && y.layout == Layout::kChannelsLast;
    if (!step->rows && !image) return "images need channels last";
    const int64_t in = step->in_channels / step->groups, out = step->out_channels / step->groups;
    if (in == 0) return "no input channels";
    if (step->groups > 1 && (in < 16 || out < 8)) {
      return "groups of " + std::to_string(in) + " channels are too narrow";
    }
    if (is_8bit(y) && may_leave_int32(view, *step)) return "scaled sums may leave int32";
    return refuse_extents(view, *step);
  }

  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device&) const override {
    return std::make_unique<AmxWeights>(view);
  }
  size_t workspace_bytes(const StepView& view, const Device& device) const override {
    return AmxPrepared::workspace_bytes(view, device);
  }
  /// A residual lies as the output does.
  bool takes_rows_apart(const StepView& view) const override {
    const bool residual = view.as<ConvStep>()->residual;
    return conv_rows_fit(view) &&
           !(residual && view.inputs[1].row_stride != view.outputs[0].row_stride);
  }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device& device) const override {
    return std::make_unique<AmxPrepared>(view, static_cast<const AmxWeights&>(*packed), device);
  }

 private:
  /// Offsets inside an image are 32 bits wide.
  static std::string refuse_extents(const StepView& view, const ConvStep& step) {
    constexpr int64_t kLargest = int64_t{1} << 31;
    const Geometry g = geometry_of(step, view.inputs[0].shape, view.outputs[0].shape);
    if (step.rows) return "";
    const AmxCut cut = amx_cut(step);
    const int64_t copy = amx_image_bytes(step, g, cut) / std::max<int64_t>(1, g.n);
    if (std::max({g.h * g.w * g.c, g.out_h * g.out_w * g.m, copy}) >= kLargest) {
      return "an image of 2 GiB or more";
    }
    return "";
  }
};

}  // namespace

const Tactic& gemm_amx_tactic() {
  static const AmxTactic tactic;
  return tactic;
}

}  // namespace octile
