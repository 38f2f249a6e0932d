// Float steps without weights: pooling, element-wise, activation, softmax.
#include <optional>

#include "base/parallel_for.h"
#include "kernels/function_tactic.h"
#include "kernels/onednn/common.h"
#include "kernels/onednn/rows.h"
#include "plan/geometry.h"

namespace octile::onednn {
namespace {

using Source = PreparedPrimitive::Source;

/// A tactic over one primitive whose inputs are SRC_0, SRC_1 and whose output is DST. `Traits`
/// has kName, accepts(view) → refusal text, make(view) → primitive_desc.
template <typename Traits>
class SimpleTactic : public Tactic {
 public:
  std::string_view name() const override { return Traits::kName; }
  Isa isa() const override { return Isa::kPortable; }
  std::string refuse(const StepView& view, const Device&) const override {
    if (std::string reason = Traits::accepts(view); !reason.empty()) return reason;
    if (std::string reason = refuse_unless_float(view); !reason.empty()) return reason;
    return refusal_of([&] { Traits::make(view); });
  }
  bool takes_rows_apart(const StepView& view) const override { return takes_rows_close(view); }
  size_t workspace_bytes(const StepView& view, const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    return Traits::make(view).scratchpad_desc().get_size();
  }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights*,
                                    const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    const auto made = Traits::make(view);
    auto run = std::make_unique<PreparedPrimitive>(typename Traits::Primitive(made),
                                                   made.scratchpad_desc());
    for (size_t i = 0; i < view.inputs.size(); ++i) {
      run->bind(i == 0 ? DNNL_ARG_SRC_0 : DNNL_ARG_SRC_1, Traits::describe_input(view, i),
                Source::kInput, static_cast<int>(i));
    }
    run->bind(DNNL_ARG_DST, Traits::describe_output(view), Source::kOutput, 0);
    return run;
  }
};

struct PoolingTraits {
  static constexpr std::string_view kName = "onednn.pool";
  using Primitive = PoolingForward;
  static Desc describe_input(const StepView& view, size_t i) {
    return describe_image(view.inputs[i]);
  }
  static Desc describe_output(const StepView& view) { return describe_image(view.outputs[0]); }
  static std::string accepts(const StepView& view) {
    const auto* step = view.as<PoolStep>();
    if (step == nullptr) return "poolings only";
    const bool ceil = !step->global && step->window.mode == PaddingMode::kCeil;
    if (step->kind == PoolingKind::kAverage && step->count_padding && ceil) {
      return "averages that count padding with ceil extents differ in oneDNN";
    }
    return "";
  }
  static auto make(const StepView& view) {
    const PoolStep& step = *view.as<PoolStep>();
    const Geometry g = geometry_of(step, view.inputs[0].shape, view.outputs[0].shape);
    const auto after = [](int64_t out, int64_t stride, int64_t kernel, int64_t dilation, int64_t in,
                          int64_t before) {
      return (out - 1) * stride + (kernel - 1) * dilation + 1 - in - before;
    };
    const Spatial spatial{{g.stride_h, g.stride_w},
                          {g.dilation_h - 1, g.dilation_w - 1},
                          {g.pad_top, g.pad_left},
                          {after(g.out_h, g.stride_h, g.kernel_h, g.dilation_h, g.h, g.pad_top),
                           after(g.out_w, g.stride_w, g.kernel_w, g.dilation_w, g.w, g.pad_left)}};
    const auto kind = step.kind == PoolingKind::kMax ? dnnl::algorithm::pooling_max
                      : step.count_padding           ? dnnl::algorithm::pooling_avg_include_padding
                                                     : dnnl::algorithm::pooling_avg_exclude_padding;
    return pooling(cpu_engine(), kind, describe_image(view.inputs[0]),
                   describe_image(view.outputs[0]), {g.kernel_h, g.kernel_w}, spatial,
                   attributes());
  }
};

struct EltwiseTraits {
  static constexpr std::string_view kName = "onednn.eltwise";
  using Primitive = dnnl::binary;
  static Desc describe_input(const StepView& view, size_t i) {
    return broadcastable(view.inputs[i], view.outputs[0]);
  }
  static Desc describe_output(const StepView& view) { return describe(view.outputs[0]); }
  /// Ones in front, so that both operands have the output's rank.
  static Desc broadcastable(PlanTensor tensor, const PlanTensor& output) {
    const int rank = std::max(1, output.shape.rank());
    if (tensor.layout == Layout::kPlain) {
      Shape shape;
      for (int i = tensor.shape.rank(); i < rank; ++i) shape.push_back(1);
      for (int64_t extent : tensor.shape) shape.push_back(extent);
      tensor.shape = shape;
    }
    return describe(tensor);
  }
  static std::optional<dnnl::algorithm> algorithm(ElementwiseKind kind) {
    switch (kind) {
      case ElementwiseKind::kAdd: return dnnl::algorithm::binary_add;
      case ElementwiseKind::kSub: return dnnl::algorithm::binary_sub;
      case ElementwiseKind::kMul: return dnnl::algorithm::binary_mul;
      case ElementwiseKind::kDiv: return dnnl::algorithm::binary_div;
      default: return std::nullopt;  // NaN rules of min and max are ours
    }
  }
  static std::string accepts(const StepView& view) {
    const auto* step = view.as<EltwiseStep>();
    if (step == nullptr) return "element-wise steps only";
    if (!algorithm(step->kind)) return "no such kind in oneDNN";
    if (view.inputs[0].shape != view.outputs[0].shape) return "the left operand is broadcast";
    return "";
  }
  static auto make(const StepView& view) {
    const EltwiseStep& step = *view.as<EltwiseStep>();
    dnnl::post_ops ops;
    append_clamp(ops, step.clamp);
    return binary(cpu_engine(), *algorithm(step.kind), describe_input(view, 0),
                  describe_input(view, 1), describe_output(view), attributes(ops));
  }
};

struct ActivationTraits {
  static constexpr std::string_view kName = "onednn.activation";
  using Primitive = dnnl::eltwise_forward;
  struct Kind {
    dnnl::algorithm algorithm;
    float alpha = 0.0f, beta = 0.0f;
  };
  static Desc describe_input(const StepView& view, size_t i) { return describe(view.inputs[i]); }
  static Desc describe_output(const StepView& view) { return describe(view.outputs[0]); }
  static std::optional<Kind> kind_of(const Activation& op) {
    using A = dnnl::algorithm;
    switch (op.kind) {
      case ActivationKind::kRelu: return Kind{A::eltwise_relu};
      case ActivationKind::kLeakyRelu: return Kind{A::eltwise_relu, op.alpha};
      case ActivationKind::kSigmoid: return Kind{A::eltwise_logistic};
      case ActivationKind::kTanh: return Kind{A::eltwise_tanh};
      case ActivationKind::kElu: return Kind{A::eltwise_elu, op.alpha};
      case ActivationKind::kClip: return Kind{A::eltwise_clip, op.alpha, op.beta};
      case ActivationKind::kGeluErf: return Kind{A::eltwise_gelu_erf};
      case ActivationKind::kGeluTanh: return Kind{A::eltwise_gelu_tanh};
      case ActivationKind::kSwish: return Kind{A::eltwise_swish, op.alpha};
      default: return std::nullopt;
    }
  }
  static std::string accepts(const StepView& view) {
    const auto* step = view.as<ActivationStep>();
    if (step == nullptr) return "activations only";
    return kind_of(step->op) ? "" : "no such kind in oneDNN";
  }
  static auto make(const StepView& view) {
    const Kind kind = *kind_of(view.as<ActivationStep>()->op);
    return eltwise(cpu_engine(), kind.algorithm, describe(view.inputs[0]), kind.alpha, kind.beta,
                   attributes());
  }
};

struct SoftmaxTraits {
  static constexpr std::string_view kName = "onednn.softmax";
  using Primitive = dnnl::softmax_forward;
  static Desc describe_input(const StepView& view, size_t i) { return describe(view.inputs[i]); }
  static Desc describe_output(const StepView& view) { return describe(view.outputs[0]); }
  static std::string accepts(const StepView& view) {
    const auto* step = view.as<SoftmaxStep>();
    if (step == nullptr) return "softmax only";
    return step->axes.size() == 1 ? "" : "one axis only";
  }
  static auto make(const StepView& view) {
    const int rank = view.inputs[0].shape.rank();
    const auto axis = static_cast<int>(view.as<SoftmaxStep>()->axes[0]);
    return softmax(cpu_engine(), describe(view.inputs[0]), axis < 0 ? axis + rank : axis,
                   attributes());
  }
};

template <typename Traits>
const Tactic& row() {
  static const SimpleTactic<Traits> tactic;
  return tactic;
}

}  // namespace

const Tactic& pooling_tactic() { return row<PoolingTraits>(); }
const Tactic& eltwise_tactic() { return row<EltwiseTraits>(); }
const Tactic& activation_tactic() { return row<ActivationTraits>(); }
const Tactic& softmax_tactic() { return row<SoftmaxTraits>(); }

}  // namespace octile::onednn
