// The rows int8.gemm.*: every weighted int8 step that is no depthwise convolution.
#include <algorithm>

#include "kernels/cpu/gemm_prepared.h"
#include "kernels/cpu/rows.h"
#include "plan/places.h"

namespace octile {
namespace {

constexpr int64_t kManyRows = 1 << 20;
constexpr int kTall = 0, kWide = 1;  // of kGemmAvx512Vnni

/// Bytes from a window's first byte to its last in an image with borders, or more.
int64_t reach(const ConvStep& step, const StepView& view) {
  const Geometry g = geometry_of(step, view.inputs[0].shape, view.outputs[0].shape);
  const int64_t w = g.w + g.pad_left + g.out_w * g.stride_w + g.kernel_w * g.dilation_w;
  return (g.kernel_h * g.dilation_h * w + g.kernel_w * g.dilation_w) * (g.c + 4);
}

}  // namespace

bool conv_rows_fit(const StepView& view) {
  const auto small = [](const PlanTensor& t) {
    const int64_t bytes = t.shape.volume() * int64_t(size_of(t.type));
    const int64_t rows = bytes / std::max<int64_t>(1, row_bytes(t) * t.shape[0]);
    return rows < INT32_MAX / (2 * row_step(t) + 1);  // borders at twice the size
  };
  return !view.as<ConvStep>()->dynamic &&
         std::all_of(view.inputs.begin(), view.inputs.end(), small) &&
         std::all_of(view.outputs.begin(), view.outputs.end(), small);
}

namespace {

class GemmTactic : public Tactic {
 public:
  /// `kernel` ≥ 0: always that one of the list, where the rule would take the widest.
  GemmTactic(std::string_view name, Isa isa, const GemmKernels& kernels, int kernel = -1)
      : name_(name), isa_(isa), kernels_(kernels), kernel_(kernel) {}
  std::string_view name() const override { return name_; }
  Isa isa() const override { return isa_; }

  std::string refuse(const StepView& view, const Device&) const override {
    const auto* step = view.as<ConvStep>();
    if (step == nullptr) return "not a convolution";
    const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
    if (!is_8bit(x)) return "the input is not 8-bit";
    if (!is_8bit(y) && !is_float(y)) return "the output is neither 8-bit nor float32";
    const bool image = x.layout == Layout::kChannelsLast && y.layout == Layout::kChannelsLast;
    if (!step->rows && !image) return "images need channels last";
    const int64_t in = step->in_channels / step->groups, out = step->out_channels / step->groups;
    if (step->groups > 1 && (in % 4 != 0 || out < 4)) {
      return "groups of " + std::to_string(in) + " channels are too narrow";
    }
    const GemmCut cut = gemm_cut(*step);
    constexpr int64_t kLargestImage = int64_t{1} << 31;
    if (!step->rows && x.shape.volume() / std::max<int64_t>(1, x.shape[0]) >= kLargestImage) {
      return "an image of 2 GiB or more";
    }
    if (kernel_ >= 0 && kernels_.choose(kManyRows, cut.segments * cut.bytes, out) != kWide) {
      return "another row does the same";
    }
#if defined(__x86_64__)
    if (isa_ == Isa::kAvx512Vnni && !avx512_code_refusal().empty()) return avx512_code_refusal();
#endif
    if (isa_ == Isa::kAvx2) {
      if (!step->rows && reach(*step, view) >= kLargestImage) return "a window of 2 GiB or more";
      const auto w = view.blob(step->weights).bytes;
      const bool lowest =
          std::any_of(w.begin(), w.end(), [](std::byte b) { return b == std::byte{0x80}; });
      if (lowest) return "a weight of -128 could saturate int16";
    }
    return "";
  }

  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device&) const override {
    return std::make_unique<GemmWeights>(view, kernel_for(view));
  }
  size_t workspace_bytes(const StepView& view, const Device& device) const override {
    return GemmPrepared::workspace_bytes(view, kernel_for(view), device);
  }
  bool takes_rows_apart(const StepView& view) const override { return conv_rows_fit(view); }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device& device) const override {
    return std::make_unique<GemmPrepared>(view, static_cast<const GemmWeights&>(*packed), device);
  }

 private:
  const GemmKernel& kernel_for(const StepView& view) const {
    return kernel_ >= 0 ? kernels_.list[kernel_] : best_for(view);
  }
  const GemmKernel& best_for(const StepView& view) const {
    const ConvStep& step = *view.as<ConvStep>();
    const GemmCut cut = gemm_cut(step);
    const int64_t rows = view.outputs[0].shape.volume() / std::max<int64_t>(1, step.out_channels);
    return best_gemm_kernel(kernels_, rows, cut.segments * cut.bytes,
                            step.out_channels / step.groups);
  }

  std::string_view name_;
  Isa isa_;
  const GemmKernels& kernels_;
  int kernel_;
};

}  // namespace

#if defined(__x86_64__)
const Tactic& gemm_avx512vnni_tactic() {
  static const GemmTactic tactic("int8.gemm.avx512vnni", Isa::kAvx512Vnni, kGemmAvx512Vnni);
  return tactic;
}
/// More rows, fewer columns: timing decides where weights and activations compete for the caches.
const Tactic& gemm_tall_avx512vnni_tactic() {
  static const GemmTactic tactic("int8.gemm.tall.avx512vnni", Isa::kAvx512Vnni, kGemmAvx512Vnni,
                                 kTall);
  return tactic;
}
const Tactic& gemm_avxvnni_tactic() {
  static const GemmTactic tactic("int8.gemm.avxvnni", Isa::kAvxVnni, kGemmAvxVnni);
  return tactic;
}
const Tactic& gemm_avx2_tactic() {
  static const GemmTactic tactic("int8.gemm.avx2", Isa::kAvx2, kGemmAvx2);
  return tactic;
}
#elif defined(__aarch64__)
const Tactic& gemm_neondot_tactic() {
  static const GemmTactic tactic("int8.gemm.neondot", Isa::kNeonDot, kGemmNeonDot);
  return tactic;
}
const Tactic& gemm_neon_tactic() {
  static const GemmTactic tactic("int8.gemm.neon", Isa::kNeon, kGemmNeon);
  return tactic;
}
#endif

}  // namespace octile
