// Float convolution, deconvolution and products with constant weights.
#include <cstring>

#include "base/parallel_for.h"
#include "kernels/onednn/common.h"
#include "kernels/onednn/rows.h"
#include "plan/geometry.h"

namespace octile::onednn {
namespace {

using Source = PreparedPrimitive::Source;

/// Everything that one convolution needs to be described to oneDNN.
struct Problem {
  Desc x, y, bias;
  Dims weight_dims;
  Desc canonical;  // of the plan's weights
  Spatial spatial;
  dnnl::primitive_attr attr;
};

Spatial spatial_of(const Geometry& g) {
  const auto after = [](int64_t out, int64_t stride, int64_t kernel, int64_t dilation, int64_t in,
                        int64_t before) {
    return (out - 1) * stride + (kernel - 1) * dilation + 1 - in - before;
  };
  return {{g.stride_h, g.stride_w},
          {g.dilation_h - 1, g.dilation_w - 1},
          {g.pad_top, g.pad_left},
          {after(g.out_h, g.stride_h, g.kernel_h, g.dilation_h, g.h, g.pad_top),
           after(g.out_w, g.stride_w, g.kernel_w, g.dilation_w, g.w, g.pad_left)}};
}

/// The residual lies where the output goes: oneDNN's fastest kernels know sums, not other operands.
dnnl::primitive_attr post_ops_of(const ConvStep& step) {
  dnnl::post_ops ops;
  if (step.residual) ops.append_sum(1.0f);
  append_clamp(ops, step.clamp);
  return attributes(ops);
}

Problem problem_of(const StepView& view) {
  const ConvStep& step = *view.as<ConvStep>();
  const Geometry g = geometry_of(step, view.inputs[0].shape, view.outputs[0].shape);
  const int64_t m = step.out_channels / step.groups, c = step.in_channels / step.groups;
  Problem p;
  p.x = describe_image(view.inputs[0]);
  p.y = describe_image(view.outputs[0]);
  if (step.bias >= 0) p.bias = Desc({step.out_channels}, dnnl::memory::data_type::f32, Dims{1});
  const int64_t kh = g.kernel_h, kw = g.kernel_w;
  if (step.groups == 1) {
    p.weight_dims = {m, c, kh, kw};
    p.canonical =
        Desc(p.weight_dims, dnnl::memory::data_type::f32, Dims{kh * kw * c, 1, kw * c, c});
  } else {
    p.weight_dims = {step.groups, m, c, kh, kw};
    p.canonical = Desc(p.weight_dims, dnnl::memory::data_type::f32,
                       Dims{m * kh * kw * c, kh * kw * c, 1, kw * c, c});
  }
  p.spatial = spatial_of(g);
  p.attr = post_ops_of(step);
  return p;
}

auto descriptor(const Problem& p, const Desc& weights) {
  return convolution(cpu_engine(), p.x, weights, p.bias, p.y, p.spatial, p.attr);
}

/// Brings the residual to the output first, where the plan did not give them one place.
class ResidualConvolution : public Prepared {
 public:
  ResidualConvolution(std::unique_ptr<Prepared> sum, int64_t bytes)
      : sum_(std::move(sum)), bytes_(bytes) {}
  void run(const Buffers& buffers) override {
    auto* to = static_cast<std::byte*>(buffers.outputs[0]);
    const auto* from = static_cast<const std::byte*>(buffers.inputs[1]);
    if (to != from) {
      parallel_for(bytes_, 1 << 16, [&](int64_t begin, int64_t end, int) {
        std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
      });
    }
    sum_->run(buffers);
  }

 private:
  std::unique_ptr<Prepared> sum_;
  int64_t bytes_;
};

class ConvolutionTactic : public Tactic {
 public:
  std::string_view name() const override { return "onednn.conv"; }
  Isa isa() const override { return Isa::kPortable; }

  std::string refuse(const StepView& view, const Device&) const override {
    const auto* step = view.as<ConvStep>();
    if (step == nullptr || step->rows) return "convolutions of images only";
    if (std::string reason = refuse_unless_float(view); !reason.empty()) return reason;
    return refusal_of([&] {
      const Problem p = problem_of(view);
      descriptor(p, any_layout(p.weight_dims));
    });
  }

  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    const Problem p = problem_of(view);
    const auto made = descriptor(p, any_layout(p.weight_dims));
    return std::make_unique<PackedMemory>(
        p.canonical, view.blob(view.as<ConvStep>()->weights).bytes.data(), made.weights_desc());
  }

  size_t workspace_bytes(const StepView& view, const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    const Problem p = problem_of(view);
    return descriptor(p, any_layout(p.weight_dims)).scratchpad_desc().get_size();
  }

  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    const auto& weights = static_cast<const PackedMemory&>(*packed);
    const ConvStep& step = *view.as<ConvStep>();
    const Problem p = problem_of(view);
    const auto made = descriptor(p, weights.desc());
    auto run = std::make_unique<PreparedPrimitive>(dnnl::convolution_forward(made),
                                                   made.scratchpad_desc());
    run->bind(DNNL_ARG_SRC, p.x, Source::kInput, 0);
    run->bind(DNNL_ARG_WEIGHTS, weights.desc(), Source::kFixed, 0, weights.data());
    if (step.bias >= 0) {
      run->bind(DNNL_ARG_BIAS, p.bias, Source::kFixed, 0, view.blob(step.bias).bytes.data());
    }
    run->bind(DNNL_ARG_DST, p.y, Source::kOutput, 0);
    if (!step.residual) return run;
    return std::make_unique<ResidualConvolution>(std::move(run), int64_t(p.y.get_size()));
  }
};

/// The plan's [C][kh][kw][M/groups] seen in oneDNN's (groups, M/groups, C/groups, kh, kw).
Desc deconvolution_weights(const DeconvStep& step, const Geometry& g, Dims* dims) {
  const int64_t m = step.out_channels / step.groups, c = step.in_channels / step.groups;
  const int64_t tap = m, row = g.kernel_w * m, channel = g.kernel_h * row;
  const bool grouped = step.groups > 1;
  *dims = grouped ? Dims{step.groups, m, c, g.kernel_h, g.kernel_w}
                  : Dims{m, c, g.kernel_h, g.kernel_w};
  const Dims strides =
      grouped ? Dims{c * channel, 1, channel, row, tap} : Dims{1, channel, row, tap};
  return Desc(*dims, dnnl::memory::data_type::f32, strides);
}

class DeconvolutionTactic : public Tactic {
 public:
  std::string_view name() const override { return "onednn.deconv"; }
  Isa isa() const override { return Isa::kPortable; }

  std::string refuse(const StepView& view, const Device&) const override {
    if (view.as<DeconvStep>() == nullptr) return "deconvolutions only";
    if (view.inputs[0].layout != Layout::kChannelsLast) return "channels-last images only";
    if (std::string reason = refuse_unless_float(view); !reason.empty()) return reason;
    return refusal_of([&] { describe_step(view); });
  }

  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    const Described d = describe_step(view);
    return std::make_unique<PackedMemory>(
        d.canonical, view.blob(view.as<DeconvStep>()->weights).bytes.data(), d.made.weights_desc());
  }

  size_t workspace_bytes(const StepView& view, const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    return describe_step(view).made.scratchpad_desc().get_size();
  }

  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device& device) const override {
    const ThreadCountScope threads(device.threads);
    const auto& weights = static_cast<const PackedMemory&>(*packed);
    const DeconvStep& step = *view.as<DeconvStep>();
    const Desc fixed = weights.desc();
    const Described d = describe_step(view, &fixed);
    auto run = std::make_unique<PreparedPrimitive>(dnnl::deconvolution_forward(d.made),
                                                   d.made.scratchpad_desc());
    run->bind(DNNL_ARG_SRC, d.x, Source::kInput, 0);
    run->bind(DNNL_ARG_WEIGHTS, fixed, Source::kFixed, 0, weights.data());
    if (step.bias >= 0) {
      run->bind(DNNL_ARG_BIAS, d.bias, Source::kFixed, 0, view.blob(step.bias).bytes.data());
    }
    run->bind(DNNL_ARG_DST, d.y, Source::kOutput, 0);
    return run;
  }

 private:
  struct Described {
    Desc x, y, bias, canonical;
    dnnl::deconvolution_forward::primitive_desc made;
  };

  /// out = stride·(in − 1) + dilated kernel − pads + output_padding: the last folds into pad_after.
  static Described describe_step(const StepView& view, const Desc* weights = nullptr) {
    const DeconvStep& step = *view.as<DeconvStep>();
    const Shape& in = view.inputs[0].shape;
    const Shape& out = view.outputs[0].shape;
    Geometry g;
    g.kernel_h = step.window.kernel[0];
    g.kernel_w = step.window.kernel[1];
    const auto after = [&](size_t axis) {
      const int64_t reach = step.window.stride[axis] * (in[2 + int(axis)] - 1) +
                            step.window.dilation[axis] * (step.window.kernel[axis] - 1) + 1;
      return reach - step.window.pad_before[axis] - out[2 + int(axis)];
    };
    const Spatial spatial{step.window.stride,
                          {step.window.dilation[0] - 1, step.window.dilation[1] - 1},
                          step.window.pad_before,
                          {after(0), after(1)}};
    Described d;
    Dims dims;
    d.canonical = deconvolution_weights(step, g, &dims);
    d.x = describe(view.inputs[0]);
    d.y = describe(view.outputs[0]);
    if (step.bias >= 0) d.bias = Desc({step.out_channels}, dnnl::memory::data_type::f32, Dims{1});
    dnnl::post_ops ops;
    append_clamp(ops, step.clamp);
    d.made = deconvolution(cpu_engine(), d.x, weights != nullptr ? *weights : any_layout(dims),
                           d.bias, d.y, spatial, attributes(ops));
    return d;
  }
};

}  // namespace

const Tactic& convolution_tactic() {
  static const ConvolutionTactic tactic;
  return tactic;
}

const Tactic& deconvolution_tactic() {
  static const DeconvolutionTactic tactic;
  return tactic;
}

}  // namespace octile::onednn
