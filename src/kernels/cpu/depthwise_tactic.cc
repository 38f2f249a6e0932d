// The rows int8.depthwise.*: convolutions whose output channels each read one input channel.
#include <algorithm>

#include "kernels/cpu/depthwise_prepared.h"
#include "kernels/cpu/rows.h"

namespace octile {
namespace {

class DepthwiseTactic : public Tactic {
 public:
  DepthwiseTactic(std::string_view name, Isa isa, const DepthwiseKernels& kernels)
      : name_(name), isa_(isa), kernels_(kernels) {}
  std::string_view name() const override { return name_; }
  Isa isa() const override { return isa_; }

  std::string refuse(const StepView& view, const Device&) const override {
    const auto* step = view.as<ConvStep>();
    if (step == nullptr) return "not a convolution";
    const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
    if (!is_8bit(x)) return "the input is not 8-bit";
    if (!is_8bit(y) && !is_float(y)) return "the output is neither 8-bit nor float32";
    const bool depthwise = !step->rows && step->groups > 1 && step->in_channels == step->groups &&
                           step->out_channels == step->groups;
    if (!depthwise) return "not depthwise";
    if (x.layout != Layout::kChannelsLast || y.layout != Layout::kChannelsLast) {
      return "images need channels last";
    }
    if (isa_ == Isa::kAvx2) {
      const auto w = view.blob(step->weights).bytes;
      const bool lowest =
          std::any_of(w.begin(), w.end(), [](std::byte b) { return b == std::byte{0x80}; });
      if (lowest) return "a weight of -128 could saturate int16";
    }
    return "";
  }

  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device&) const override {
    return std::make_unique<DepthwiseWeights>(view, kernels_);
  }
  size_t workspace_bytes(const StepView& view, const Device& device) const override {
    return DepthwisePrepared::workspace_bytes(view, DepthwiseCut(*view.as<ConvStep>(), kernels_),
                                              device);
  }
  /// A residual lies as the output does.
  bool takes_rows_apart(const StepView& view) const override {
    const bool residual = view.as<ConvStep>()->residual;
    const bool staged = DepthwiseCut(*view.as<ConvStep>(), kernels_).staged > 0;
    return !staged && conv_rows_fit(view) &&
           !(residual && view.inputs[1].row_stride != view.outputs[0].row_stride);
  }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device& device) const override {
    return std::make_unique<DepthwisePrepared>(view, static_cast<const DepthwiseWeights&>(*packed),
                                               device);
  }

 private:
  std::string_view name_;
  Isa isa_;
  const DepthwiseKernels& kernels_;
};

}  // namespace

std::span<const Tactic* const> depthwise_tactics() {
#if defined(__x86_64__)
  static const DepthwiseTactic avx512vnni("int8.depthwise.avx512vnni", Isa::kAvx512Vnni,
                                          kDepthwiseKernelsAvx512Vnni);
  static const DepthwiseTactic avxvnni("int8.depthwise.avxvnni", Isa::kAvxVnni,
                                       kDepthwiseKernelsAvxVnni);
  static const DepthwiseTactic avx2("int8.depthwise.avx2", Isa::kAvx2, kDepthwiseKernelsAvx2);
  static const Tactic* const table[] = {&avx512vnni, &avxvnni, &avx2};
  return table;
#elif defined(__aarch64__)
  static const DepthwiseTactic neondot("int8.depthwise.neondot", Isa::kNeonDot,
                                       kDepthwiseKernelsNeonDot);
  static const DepthwiseTactic neon("int8.depthwise.neon", Isa::kNeon, kDepthwiseKernelsNeon);
  static const Tactic* const table[] = {&neondot, &neon};
  return table;
#else
  return {};
#endif
}

}  // namespace octile
