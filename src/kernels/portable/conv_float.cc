// Float convolution and matrix product without a vendor's library. Weights are packed so that 32
// output channels lie side by side: their sums advance together, in a fixed order a channel.
#include <algorithm>
#include <vector>

#include "base/parallel_for.h"
#include "kernels/portable/rows.h"
#include "kernels/portable/tensors.h"
#include "plan/geometry.h"

namespace octile::portable {
namespace {

int64_t blocks_of(int64_t channels) { return (channels + kLanes - 1) / kLanes; }
bool is_depthwise(const ConvStep& step) {
  return step.groups > 1 && step.groups == step.in_channels && step.groups == step.out_channels;
}

/// Dense: [group][block][tap][C/groups][lane]. Depthwise: [block][tap][lane]. Zeros fill up.
class Packed final : public PackedWeights {
 public:
  std::vector<float> values;
  size_t bytes() const override { return values.size() * sizeof(float); }
};

std::unique_ptr<PackedWeights> pack(const StepView& view) {
  const auto& step = *view.as<ConvStep>();
  const auto* w = view.blob(step.weights).as<float>();
  const int64_t taps = step.window.kernel[0] * step.window.kernel[1];
  const bool depthwise = is_depthwise(step);
  const int64_t groups = depthwise ? 1 : step.groups;
  const int64_t depth = depthwise ? 1 : step.in_channels / groups;
  const int64_t group_out = step.out_channels / groups, blocks = blocks_of(group_out);
  auto packed = std::make_unique<Packed>();
  packed->values.assign(static_cast<size_t>(groups * blocks * taps * depth * kLanes), 0.0f);
  for (int64_t m = 0; m < step.out_channels; ++m) {
    const int64_t group = m / group_out, in_group = m % group_out;
    float* to = packed->values.data() +
                (group * blocks + in_group / kLanes) * taps * depth * kLanes + in_group % kLanes;
    for (int64_t i = 0; i < taps * depth; ++i) to[i * kLanes] = w[m * taps * depth + i];
  }
  return packed;
}

/// sums[lane] += Σ_c x[c]·w[c][lane].
void accumulate(const float* x, const float* w, int64_t count, float* __restrict sums) {
  for (int64_t c = 0; c < count; ++c) {
    const float value = x[c];
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += value * w[c * kLanes + lane];
  }
}

class ConvFloat final : public Prepared {
 public:
  ConvFloat(const StepView& view, const Packed& packed)
      : step_(*view.as<ConvStep>()),
        g_(geometry_of(step_, view.inputs[0].shape, view.outputs[0].shape)),
        weights_(packed.values.data()),
        depthwise_(is_depthwise(step_)),
        groups_(depthwise_ ? 1 : g_.groups),
        group_out_(g_.m / groups_),
        blocks_(blocks_of(group_out_)),
        taps_(g_.kernel_h * g_.kernel_w),
        depth_(depthwise_ ? 1 : g_.c / groups_) {
    if (step_.bias >= 0) bias_ = view.blob(step_.bias).as<float>();
  }

  void run(const Buffers& buffers) override {
    const int64_t items = g_.n * g_.out_h * g_.out_w, parts = groups_ * blocks_;
    parallel_for(items * parts, grain_for(taps_ * depth_ * kLanes / 4),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t i = begin; i < end; ++i) one_block(buffers, i / parts, i % parts);
                 });
  }

 private:
  void one_block(const Buffers& buffers, int64_t pixel, int64_t part) const {
    const int64_t group = part / blocks_, in_group = part % blocks_ * kLanes;
    const int64_t first = group * group_out_ + in_group;  // output channel
    const int64_t count = std::min(kLanes, group_out_ - in_group);
    float sums[kLanes] = {};
    if (bias_ != nullptr) std::copy_n(bias_ + first, count, sums);
    const float* w = weights_ + part * taps_ * depth_ * kLanes;
    add_window(static_cast<const float*>(buffers.inputs[0]), w, pixel,
               depthwise_ ? first : group * depth_, count, sums);
    const int64_t at = pixel * g_.m + first;
    if (step_.residual) {
      const auto* r = static_cast<const float*>(buffers.inputs[1]) + at;
      for (int64_t i = 0; i < count; ++i) sums[i] += r[i];
    }
    auto* y = static_cast<float*>(buffers.outputs[0]) + at;
    for (int64_t i = 0; i < count; ++i) y[i] = clamp_float(sums[i], step_.clamp.lo, step_.clamp.hi);
  }

  void add_window(const float* x, const float* w, int64_t pixel, int64_t channel, int64_t count,
                  float* sums) const {
    const int64_t ow = pixel % g_.out_w, oh = pixel / g_.out_w % g_.out_h;
    const int64_t n = pixel / (g_.out_w * g_.out_h);
    for (int64_t tap = 0; tap < taps_; ++tap, w += depth_ * kLanes) {
      const int64_t ih = oh * g_.stride_h - g_.pad_top + tap / g_.kernel_w * g_.dilation_h;
      const int64_t iw = ow * g_.stride_w - g_.pad_left + tap % g_.kernel_w * g_.dilation_w;
      if (ih < 0 || ih >= g_.h || iw < 0 || iw >= g_.w) continue;
      const float* from = x + ((n * g_.h + ih) * g_.w + iw) * g_.c + channel;
      if (depthwise_) {
        for (int64_t i = 0; i < count; ++i) sums[i] += from[i] * w[i];
      } else {
        accumulate(from, w, depth_, sums);
      }
    }
  }

  ConvStep step_;
  Geometry g_;
  const float* weights_;
  const float* bias_ = nullptr;
  bool depthwise_;
  int64_t groups_, group_out_, blocks_, taps_, depth_;
};

std::string refuse_conv_float(const StepView& view) {
  const auto* step = view.as<ConvStep>();
  if (step == nullptr) return "not a convolution";
  for (size_t i = 0; i < view.inputs.size(); ++i) {
    if (!is_float(view.inputs[i])) return "an input is not float";
  }
  if (!is_float(view.outputs[0])) return "the output is not float";
  for (const PlanTensor* t : {&view.inputs[0], &view.outputs[0]}) {
    if (step->rows ? !is_plain(*t) : !is_image(*t)) return "the layout is not the step's";
  }
  return "";
}

std::unique_ptr<Prepared> prepare_conv_float(const StepView& view, const PackedWeights* packed) {
  return std::make_unique<ConvFloat>(view, static_cast<const Packed&>(*packed));
}

}  // namespace

constinit const FunctionTactic kConvFloat{
    "portable.conv.float", Isa::kPortable, {refuse_conv_float, prepare_conv_float, pack}};

}  // namespace octile::portable
